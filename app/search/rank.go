package search

import "github.com/coagent-studio/coagent/store/words"

// Score says how well a text fits: more is better. Each phrase counts for where it stands
// first and how often, a whole word for more than the beginning of one, and a short text
// for more than a long one. Words that stand together count once more.
func (q *Query) Score(text string) float64 {
	split := words.Split(text)
	score, first, last := 0.0, len(split), 0
	for _, p := range q.Phrases {
		found := p.Find(split)
		if len(found) == 0 {
			continue
		}
		n, whole := float64(len(found)), 0.5
		for _, at := range found {
			if split[at[1]-1].Text == p.Words[len(p.Words)-1].Text {
				whole = 1
				break
			}
		}
		score += whole*(1+n/(n+2)) + 0.3/(1+float64(found[0][0])/10)
		first, last = min(first, found[0][0]), max(last, found[0][1])
	}
	if n := len(q.Phrases); n > 1 && last > first {
		score += float64(n) / float64(last-first)
	}
	return score / (1 + float64(len(split))/400)
}
