package words

import (
	"strconv"
	"strings"
)

// gap stands where a word is not stored, so that the words around it are no phrase.
const gap = "_"

// Stream is a text as FTS5 of SQLite stores it, in columns whose words have a blank
// between them.
type Stream struct {
	Words  string
	Starts string // see starts
	Pairs  string // of singles that follow each other; a gap is between those that do not overlap
}

// StreamOf makes what SQLite stores of a text.
func StreamOf(text string) Stream {
	all := Split(text)
	var words, pairs strings.Builder
	seen, last := map[string]int{}, -1
	for i, w := range all {
		token := w.Text
		if seen[token]++; seen[token] > maxSame {
			token = gap
		}
		put(&words, token)
		pair, ok := pairAt(all, i)
		if !ok {
			continue
		}
		if last >= 0 && last != i-1 {
			put(&pairs, gap)
		}
		last = i
		if seen[pair]++; seen[pair] > maxSame {
			pair = gap
		}
		put(&pairs, pair)
	}
	return Stream{words.String(), strings.Join(starts(all), " "), pairs.String()}
}

// The beginnings of words that are stored as such, in letters, and how many bytes of them of
// one text. Longer ones are looked for among the words themselves, of which few begin
// alike.
const (
	minStart  = 2
	maxStart  = 8
	maxStarts = 128 << 10
	startSign = "<" // in front of a beginning in Postgres; no word has it
)

// starts lists the beginnings of the words of a text, each once, without the words
// themselves. Both indexes are slow to find words by their beginnings.
func starts(all []Word) (list []string) {
	seen, bytes := map[string]bool{}, 0
	for _, w := range all {
		if w.Single {
			continue
		}
		n := 0
		for i := range w.Text {
			if n >= minStart && n <= maxStart && !seen[w.Text[:i]] {
				if bytes += i; bytes > maxStarts {
					return list
				}
				seen[w.Text[:i]] = true
				list = append(list, w.Text[:i])
			}
			n++
		}
	}
	return list
}

func put(b *strings.Builder, token string) {
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(token)
}

// pairAt returns the word at i and the next one as a pair, if both are singles.
func pairAt(all []Word, i int) (string, bool) {
	if i+1 >= len(all) || !all[i].Single || !all[i+1].Single {
		return "", false
	}
	return all[i].Text + all[i+1].Text, true
}

// VectorOf makes what Postgres stores of a text: the text form of a tsvector with the
// positions of the words and pairs. The marks come without a position.
func VectorOf(text string, marks ...string) string {
	all := Split(text)
	var b strings.Builder
	seen := map[string]int{}
	lexeme := func(token string, at int) {
		if seen[token]++; seen[token] > maxSame {
			return
		}
		put(&b, quoted(token))
		b.WriteByte(':')
		b.WriteString(strconv.Itoa(at))
	}
	for i, w := range all {
		lexeme(w.Text, i+1)
		if pair, ok := pairAt(all, i); ok {
			lexeme(pair, i+1)
		}
	}
	for _, start := range starts(all) {
		put(&b, quoted(startSign+start))
	}
	for _, m := range marks {
		put(&b, quoted(m))
	}
	return b.String()
}

// quoted is a word as the text form of a tsvector or a tsquery has it. No word has a quote
// or a backslash in it.
func quoted(token string) string { return "'" + token + "'" }
