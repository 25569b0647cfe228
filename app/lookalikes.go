package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/store"
)

// This file says which names look the same, so that nobody goes by the name of
// an agent. The letters are those of UTS #39's table of confusables that whole
// words are written with; all of that table would be 300 KB.

// latinLook are letters of other scripts beside the Latin ones that they look
// like, in capitals and in small letters, for a fold of case would part them.
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

// asLatin is a text with the Latin letters that it looks to be written in.
func asLatin(text string) string {
	return strings.Map(func(r rune) rune {
		if latin, ok := latinLook[r]; ok {
			return latin
		}
		return r
	}, norm.NFKC.String(text))
}

// look is what is the same for two names that a reader takes for one: without
// case, blanks, signs and pictures, and with those letters and digits as one
// that look alike.
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

// looksLike finds the agent whose name a person's name passes for, "" if none.
// Names without a letter look like nothing.
func looksLike(name string, agents []string) string {
	// As letters too: the capitals of a script may look Latin where its small letters do not.
	own, looks := letters(name), look(name)
	i := slices.IndexFunc(agents, func(ag string) bool { return own != "" && (letters(ag) == own || look(ag) == looks) })
	if i < 0 {
		return ""
	}
	return agents[i]
}

// mayBeCalled refuses a name that others would see of a person and that is one
// of an agent where the person is.
func mayBeCalled(ctx context.Context, q store.Queries, u *store.User) error {
	agents, err := q.AgentNamesAround(ctx, u.ID)
	if err != nil {
		return err
	}
	if taken := looksLike(u.Name(), agents); taken != "" {
		return invalid(shownField(u), "is or looks like %q, the name of an agent in one of the person's rooms; choose another", taken)
	}
	return nil
}

// shownField is the member of an account that others see as its name.
func shownField(u *store.User) string {
	switch {
	case u.FullName != nil && *u.FullName != "":
		return "full_name"
	case u.Username != nil && *u.Username != "":
		return "username"
	}
	return "email"
}

// mayEnterAs refuses who would come into a course by the name of one of its agents.
func mayEnterAs(ctx context.Context, q store.Queries, courseID string, u *store.User) error {
	agents, err := q.AgentNamesInCourse(ctx, courseID)
	if err != nil {
		return err
	}
	if taken := looksLike(u.Name(), agents); taken != "" {
		return errorf(KindRejected, "name_of_agent", "Your name is or looks like %q, the name of an agent in this course. Change it in your profile first.", taken)
	}
	return nil
}

// sameNameNote tells staff of a person whom they take in, and who has the name
// of an agent of the course; "" if none.
func sameNameNote(ctx context.Context, q store.Queries, courseID string, u *store.User) (string, error) {
	agents, err := q.AgentNamesInCourse(ctx, courseID)
	if err != nil {
		return "", err
	}
	if taken := looksLike(u.Name(), agents); taken != "" {
		return fmt.Sprintf("; the name is or looks like that of the agent %q, rename one of them", taken), nil
	}
	return "", nil
}

// namesakes tells staff which people in a room go by the name of an agent.
func namesakes(ctx context.Context, q store.Queries, roomID, agentName string) ([]string, error) {
	people, err := q.PeopleNamesInRoom(ctx, roomID)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, p := range people {
		if looksLike(p, []string{agentName}) != "" {
			found = append(found, fmt.Sprintf("the person %q has a name that is or looks like this agent's; rename one of them", shownName(p)))
		}
	}
	return found, nil
}

// plainSender is a person's name as the existing client is told it: that marks
// as an agent whoever has the letters AI in the name, as KAI LEE has. A joiner
// between them, which nobody sees, keeps the name and takes the mark away.
func plainSender(name string) string { return strings.ReplaceAll(name, "AI", "A\u2060I") }
