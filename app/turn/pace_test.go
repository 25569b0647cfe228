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
		"the beginning with the first words": {func(p *pacer, piece func(string) realtime.Delta) {
			p.start()
			time.Sleep(startPause / 2)
			p.add(piece("a"))
			p.add(piece("b"))
			time.Sleep(2 * deltaPace)
		}, []string{"(", "begin", "0 a", ")", "1 b"}},
		"the beginning with words that come as its wait ends": {func(p *pacer, piece func(string) realtime.Delta) {
			p.start()
			p.timer.Stop() // as if it had run out, and its call were about to begin
			p.add(piece("a"))
			p.due()
			p.stop()
		}, []string{"(", "begin", "0 a", ")"}},
		"the beginning without words": {func(p *pacer, piece func(string) realtime.Delta) {
			p.start()
			time.Sleep(2 * startPause)
			p.add(piece("a"))
		}, []string{"begin", "0 a"}},
		"the beginning before the end": {func(p *pacer, _ func(string) realtime.Delta) {
			p.start()
			p.begun()
			p.begun()
			p.stop()
		}, []string{"begin"}},
		"the beginning at the end": {func(p *pacer, _ func(string) realtime.Delta) {
			p.start()
			p.stop()
			time.Sleep(2 * startPause)
		}, []string{"begin"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var shown []string
				note := func(what string) { shown = append(shown, what) }
				p := &pacer{hold: func() func() { note("("); return func() { note(")") } }, show: func(d realtime.Delta) { note(string(rune('0'+d.Offset)) + " " + d.Text) }}
				if strings.HasPrefix(name, "the beginning") {
					p.begin = func() { note("begin") }
				}
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
