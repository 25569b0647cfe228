package mention_test

import (
	"testing"
	"unicode"

	"github.com/coagent-studio/coagent/app/mention"
)

// TestFold: each letter of each script folds to one form, whichever of its cases comes in.
func TestFold(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		folded := mention.Fold(string(r))
		if again := mention.Fold(folded); again != folded {
			t.Fatalf("%U folds to %q, and that to %q", r, folded, again)
		}
		if !unicode.IsLetter(r) || folded == "" {
			continue
		}
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if got := mention.Fold(string(other)); got != folded {
				t.Errorf("%U folds to %q, its other case %U to %q", r, folded, other, got)
			}
		}
	}
	for _, name := range []string{"Ꮳꮃꭹ", "ᏣᎳᎩ", "ꮳꮃꭹ"} {
		if mention.Fold(name) != "ᏣᎳᎩ" {
			t.Errorf("%q folds to %q", name, mention.Fold(name))
		}
	}
}
