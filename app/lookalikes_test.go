package app

import (
	"testing"
)

func TestLooksLike(t *testing.T) {
	t.Parallel()
	for agent, names := range map[string][]string{
		"Socrates":    {"socrates", "SOCRATES", "Ｓｏｃｒａｔｅｓ", "  Socrates ", "Socrates!", "Socrates 🤖", "S0crates", "So\u00adcrates", "\u202eSocrates", "Ꮪocrates", "ѕосrаtеѕ"},
		"Oscar":       {"ОЅСАR", "0scar", "οscar"},
		"Coach":       {"СОАСН", "Соасһ", "ⲤⲞАСН"},
		"Helper-Bot":  {"Helper Bot", "helperbot", "He1per Bot", "HeIper Bot"},
		"老師助教":        {"老師 助教", "老師助教。"},
		"Ｔutor":       {"Tutor", "ТUTOR"},
		"Élan":        {"E\u0301lan", "élan"},
		"Иван":        {"иван", "ИВАН"},
		"Ａｄａ Ⅱ":       {"Ada II"},
		"ガイド":         {"ｶﾞｲﾄﾞ"},
		"Grüße":       {"GRÜSSE"},
		"Lisa":        {"LISA", "l1sa", "|isa"},
		"Kim (coach)": {"Kim Coach"},
	} {
		for _, name := range names {
			if got := looksLike(name, []string{"Nobody", agent}); got != agent {
				t.Errorf("%q (%+q) passes for %q: got %q (%q, %q)", name, name, agent, got, look(name), look(agent))
			}
		}
	}
	for agent, names := range map[string][]string{
		"Socrates": {"Socrates II", "Sócrates", "Sokrates", "Mr Socrates", "", "🤖"}, "Ada": {"Adam", "Ida", "王"}, "🤖": {"🦊", "!", ""}, "老師": {"老師們", "老"}, "が": {"か"},
	} {
		for _, name := range names {
			if got := looksLike(name, []string{agent}); got != "" {
				t.Errorf("%q does not pass for %q", name, agent)
			}
		}
	}
}
