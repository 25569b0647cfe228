package web

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
)

// The figures of a course as a table: a name is never a formula, and who said nothing is in it.
func TestFiguresAsCSV(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){"each list": func(t *testing.T, w *world) {
		w.as(owner).must(t, http.StatusOK, put, v1+"/rooms/"+w.room, body{"name": "=HYPERLINK(1)"})
		w.as(student).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "one two"})
		for by, want := range map[string]string{"people": "Full ta,0,0,0.0000,0,,0,0,0,", "agents": "kind,id,name", "days": ",1,2", "rooms": w.room + ",'=HYPERLINK(1),1,2,"} {
			a := w.as(owner).must(t, http.StatusOK, get, v1+"/courses/"+w.course+"/figures?format=csv&by="+by)
			rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
			if err != nil || len(rows) == 0 || !strings.Contains(a.body, want) || !strings.HasPrefix(a.header.Get("Content-Type"), mimeCSV) {
				t.Errorf("%s: got %q (%v), want %q in it", by, a.body, err, want)
			}
		}
	}})
}
