package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file decides which names look the same, so that no person can have a name that
// looks like an agent's. The letters are those of the confusables table of UTS #39 with
// which whole words can be written. The whole table would be 300 KB.

// latinLook maps letters of other scripts to the Latin letters that they look like. It
// has capitals and small letters, because a capital may look Latin where its small
// letter does not.
//
//nolint:gochecknoglobals // a table
var latinLook = lookTable(
	"АA ВB СC ЕE НH ІI ӀI ЈJ КK МM ОO РP ЅS ТT ХX ҮY УY ԌG ԚQ ԜW аa сc ԁd еe һh іi ӏl јj кk оo рp ԛq ѕs уy үy ѵv ԝw хx ѡw", // Cyrillic
	"ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC ϳj αa γy ιi κk νv οo ρp σo υu χx ϲc ωw ɑa ɡg ıi ʟl ɪi ᴏo ᴄc ᴠv ᴡw ᴢz ꜱs", // Greek, phonetic
	"ԼL ՏS ՍU ՕO հh ոn սu օo ցg զq յj ԿY ԳQ ձd",                                  // Armenian
	"ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎥI ᎫJ ᏦK ᏞL ᎷM ᏢP ᏒR ᏚS ᎢT ᏙV ᎳW ᎩY ᏃZ",                // Cherokee
	"ꓮA ꓐB ꓚC ꓓD ꓰE ꓝF ꓖG ꓧH ꓲI ꓙJ ꓗK ꓡL ꓟM ꓠN ꓳO ꓑP ꓣR ꓢS ꓔT ꓴU ꓦV ꓪW ꓫX ꓬY ꓜZ", // Lisu
	"ⲀA ⲂB ⲤC ⲈE ⲎH ⲒI ⲔK ⲘM ⲚN ⲞO ⲢP ⲦT ⲬX ⲨY ⲁa ⲥc ⲓi ⲕk ⲟo ⲣp ⲭx ⲩy",          // Coptic
)

func lookTable(lines ...string) map[rune]rune {
	table := map[rune]rune{}
	for _, line := range lines {
		for pair := range strings.FieldsSeq(line) {
			if r := []rune(pair); len(r) == 2 {
				table[r[0]] = r[1]
			}
		}
	}
	return table
}

// asLatin replaces the letters of a text that look like Latin ones by those.
func asLatin(text string) string {
	return strings.Map(func(r rune) rune {
		if latin, ok := latinLook[r]; ok {
			return latin
		}
		return r
	}, norm.NFKC.String(text))
}

// look is equal for two names that a reader would take for the same. It ignores case,
// blanks, signs and emoji, and maps letters and digits that look alike to one letter.
func look(name string) string { return letters(asLatin(name)) }

func letters(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '1' || r == '|' || r == 'i':
			return 'l'
		case r == '0':
			return 'o'
		case unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r):
			return r
		}
		return -1
	}, mention.Fold(name))
}

// looksLike returns the agent's name that a person's name looks like, "" if none. A name
// without a letter looks like no other name.
func looksLike(name string, agents []string) string {
	// Compare without asLatin too: a script's capitals may look Latin although its small
	// letters do not.
	own, looks := letters(name), look(name)
	i := slices.IndexFunc(agents, func(ag string) bool { return own != "" && (letters(ag) == own || look(ag) == looks) })
	if i < 0 {
		return ""
	}
	return agents[i]
}

// mayBeCalled refuses a person's visible name if it looks like the name of an agent in
// one of the person's rooms.
func mayBeCalled(ctx context.Context, q store.Queries, u *store.User) error {
	agents, err := q.AgentNamesAround(ctx, u.ID)
	if err != nil {
		return err
	}
	if taken := looksLike(u.Name(), agents); taken != "" {
		return invalid(shownField(u), "is or looks like %q, the name of an agent or a bot in one of the person's rooms; choose another", taken)
	}
	return nil
}

// shownField is the member of an account that others see as the person's name.
func shownField(u *store.User) string {
	switch {
	case u.FullName != nil && *u.FullName != "":
		return "full_name"
	case u.Username != nil && *u.Username != "":
		return "username"
	}
	return "email"
}

// mayEnterAs refuses to add a person to a course in which an agent has the same name. Whose
// account is only being made has no profile yet, and chooses another name at once.
func mayEnterAs(ctx context.Context, q store.Queries, courseID string, u *store.User, made bool) error {
	taken, err := agentLike(ctx, q, courseID, u)
	switch {
	case err != nil || taken == "":
	case made:
		err = errorf(KindRejected, wording.NameOfAgent, "Your name is or looks like %q, the name of an agent or a bot in this course. Choose another.", taken)
	default:
		err = errorf(KindRejected, wording.NameOfAgent, "Your name is or looks like %q, the name of an agent or a bot in this course. Change it in your profile first.", taken)
	}
	return err
}

// sameNameNote is a note for staff who add a person with the name of an agent of the
// course. It is "" if there is no such agent.
func sameNameNote(ctx context.Context, q store.Queries, courseID string, u *store.User) (string, error) {
	taken, err := agentLike(ctx, q, courseID, u)
	if err != nil || taken == "" {
		return "", err
	}
	return fmt.Sprintf("; the name is or looks like that of the agent or bot %q, rename one of them", taken), nil
}

// agentLike is the name of an agent or a bot of a course that a person's name is or looks
// like; "" if there is none.
func agentLike(ctx context.Context, q store.Queries, courseID string, u *store.User) (string, error) {
	agents, err := q.AgentNamesInCourse(ctx, courseID, u.ID)
	return looksLike(u.Name(), agents), err
}

// namesakes returns notes for staff about people in a room who have an agent's name.
func namesakes(ctx context.Context, q store.Queries, roomID, agentName string) ([]string, error) {
	people, err := q.PeopleNamesInRoom(ctx, roomID)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, p := range people {
		if looksLike(p, []string{agentName}) != "" {
			found = append(found, wording.Of("the person %q has a name that is or looks like this agent's; rename one of them", event.ShownName(p)).String())
		}
	}
	return found, nil
}
