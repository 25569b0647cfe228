package app

import (
	"strings"
	"testing"
)

func TestPersonName(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "Ada Lovelace", "Zoë O’Brien-Núñez", "José", "Jose\u0301", "Nguyễn Thị Ánh", "王小明", "王小明 Ming", "山田タロウ", "김민수", "राम कुमार",
		"क्\u200dष", "محمد الأمين", "می\u200cخواهم", "שרה כהן", "สมชาย", "Иван Петров", "Иван (Ivan)", "Ελένη", "Straße", "D'Arcy, Jr.", "TSAI MING", "Ai Weiwei", "Kai",
		"M小明", "Ana 😀", "X Æ A-12", "Systema", "Teacher"} {
		v := good
		if err := personName("full_name", &v); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"A\u200bda", "\u202eadA", "Ada\u200f", "Ada\u2066", "A\u00adda", "Ada\ufeff", "Ada\u2060x", "A\u3164da", "Ada\u115f", "Ada\U000e0041", "Ada\ufe0fx",
		"Ada\nBob", "Ada\rBob", "Ada\u2028Bob", "Ada\u0085Bob", "Ada\tBob", "Ada\x07B", "Ada\x1bB", "\ue000", "Ada\u2800", "a\u0334\u0334\u0334\u0334\u0334\u0334",
		"Аda", "Adа", "Βob", "Bοb", "Ꭺda", "ԱԲa", "Аλφα", "[Teacher AI]", "［Teacher ＡＩ］", "[System]", "Teacher AI", "AI", "ＡＩ Tutor", "ada-AI", "АІ", "ΑΙ helper", "System", "ＳＹＳＴＥＭ",
		"a\u200db", "Ada\u200d"} {
		v := bad
		if err := personName("full_name", &v); err == nil || KindOf(err) != KindInvalid || !strings.Contains(err.Error(), "full_name") {
			t.Errorf("%q (%+q): got %v", bad, bad, err)
		}
	}
}

func TestShownTitles(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"Physics 101: [Group A] AI & us", "📚 Reading ❤\ufe0f", "👩\u200d🏫 Coach", "数学Ⅱ", "Кружок robot"} {
		v := good
		if err := name("name", &v); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"a\nb", "a\u202eb", "a\u200bb", "\u2067x", "a\u2028b", "\ufe0fx"} {
		v := bad
		if err := name("name", &v); err == nil {
			t.Errorf("%+q is taken", bad)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"Ada@Example.org": "Ada@Example.org", "\tada@example.org\n": "ada@example.org", "ÄDA@x.org": "äDA@x.org", "a\u0308da@x.org": "äda@x.org",
		"ａｄａ＠ｘ．org": "ada@x.org", "ada@BÜCHER.example": "ada@bücher.example", "ada@xn--bcher-kva.example": "ada@bücher.example",
		"王@例子.台灣": "王@例子.台灣", "o'brien+tag@x.org": "o'brien+tag@x.org",
	} {
		v := typed
		if err := email("email", &v); err != nil || v != want {
			t.Errorf("%q: got %q, %v, want %q", typed, v, err, want)
		}
		if again := canonical(v); again != v {
			t.Errorf("%q is not stable: %q", v, again)
		}
	}
	for _, bad := range []string{"a\u200bda@x.org", "ada@x\u00ad.org", "ada\u202e@x.org", "\ufeffada@x.org", "ada@x.org\n.de", "ada@xn--a.example", "ada@-ü.example", "ada", "@x.org", "😀@x.org", "a\u2163@x.org",
		"ada\u05e9@x.org"} {
		v := bad
		if err := email("email", &v); err == nil || KindOf(err) != KindInvalid {
			t.Errorf("%+q is taken as %q: %v", bad, v, err)
		}
	}
}

func TestUserNames(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{"ada": "ada", "Ada  L": "Ada L", "ÉVA": "ÉVA", "王小明": "王小明", "ａｄａ": "ada", "e\u0301va": "éva", "ada_2.x-y": "ada_2.x-y", "raj_राज": "raj_राज"} {
		v := typed
		got, err := username("username", &v)
		if want = canonical(want); err != nil || got == nil || *got != want {
			t.Errorf("%q: got %v, %v, want %q", typed, got, err, want)
		}
	}
	for _, bad := range []string{"a＠b", "a@b", "a\nb", "a\u200bb", "аda", "иван_ivan", "[AI]", "AI", "system", "ada😀", "ﬁona", "x²", "ada\u05e9\u05e8", "♥"} {
		v := bad
		if got, err := username("username", &v); err == nil {
			t.Errorf("%+q is taken as %q", bad, *got)
		}
	}
}
