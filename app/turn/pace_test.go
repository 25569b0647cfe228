package turn

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
)

func TestPacer(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]struct {
		say  func(p *pacer, piece func(string) realtime.Delta)
		want []string // what was shown, when nothing came after
	}{
		"the first words at once": {func(p *pacer, piece func(string) realtime.Delta) { p.add(piece("a")) }, []string{"0 a"}},
		"a burst together": {func(p *pacer, piece func(string) realtime.Delta) {
			p.add(piece("a"))
			p.add(piece("b"))
			p.add(piece("c"))
			time.Sleep(2 * deltaPace)
		}, []string{"0 a", "1 bc"}},
		"a slow model word by word": {func(p *pacer, piece func(string) realtime.Delta) {
			for _, w := range []string{"a", "b", "c"} {
				p.add(piece(w))
				time.Sleep(2 * deltaPace)
			}
		}, []string{"0 a", "1 b", "2 c"}},
		"much at once": {func(p *pacer, piece func(string) realtime.Delta) {
			p.add(piece("a"))
			p.add(piece(strings.Repeat("b", deltaBytes+1)))
		}, []string{"0 a", "1 " + strings.Repeat("b", deltaBytes+1)}},
		"nothing after the end": {func(p *pacer, piece func(string) realtime.Delta) {
			p.add(piece("a"))
			p.add(piece("b"))
			p.stop()
			time.Sleep(2 * deltaPace)
		}, []string{"0 a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var shown []string
				p := &pacer{show: func(d realtime.Delta) { shown = append(shown, string(rune('0'+d.Offset))+" "+d.Text) }}
				offset := 0
				rule.say(p, func(text string) realtime.Delta {
					d := realtime.Delta{Offset: offset, Text: text}
					offset += len(text)
					return d
				})
				synctest.Wait()
				p.stop()
				if got, want := strings.Join(shown, "|"), strings.Join(rule.want, "|"); got != want {
					t.Errorf("got %.60q, want %.60q", got, want)
				}
			})
		})
	}
}
