package legacy_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/legacy"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/terminal"
)

const oldKey secret.Text = "bGVnYWN5LWZlcm5ldC10ZXN0LWtleS0wMDAwMDAwMDE="

// plan returns what a dry run says of a dump.
func plan(t *testing.T, text string, tune ...func(*legacy.Options)) (string, error) {
	t.Helper()
	dir := t.TempDir()
	cfg, _, err := config.Load(config.Sources{Dir: dir, Flags: map[string]string{"data_dir": filepath.Join(dir, "data"), "timezone": "Asia/Taipei"}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o := legacy.Options{From: "-", In: strings.NewReader(text), Key: oldKey, Zone: "Asia/Taipei", DryRun: true, Out: &out, Progress: terminal.ProgressTo(io.Discard, false, time.Now), Now: time.Now()}
	for _, f := range tune {
		f(&o)
	}
	err = legacy.Run(t.Context(), cfg, slog.New(slog.DiscardHandler), o)
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("a dry run has made %d files", len(files))
	}
	return out.String(), err
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// with puts statements before the end of a dump.
func with(text, statements string) string {
	const mark = "--\n-- PostgreSQL database dump complete\n"
	return strings.Replace(text, mark, statements+"\n"+mark, 1)
}

// TestVersions: the version is that of the table room, whatever other tables there are.
func TestVersions(t *testing.T) {
	t.Parallel()
	ce8, head := read(t, "legacy-ce8dc8d.sql"), read(t, "legacy-head.sql")
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"ce8":      {ce8, []string{"course                3     3        0", "message               61    61       0", "roomagentlink         13    12       1"}},
		"migrated": {read(t, "legacy-ce8dc8d-migrated.sql"), []string{"message               61    61       0", "agenttypemetadata     7     3        4"}},
		"head":     {head, []string{"space                 3     3        0", "message               60    60       0", "workflow              4     1        3", "audit_log             4     4        0"}},
		"head was started on ce8": {with(ce8, "CREATE TABLE public.space (id uuid, title text, owner_id uuid);\nCREATE TABLE public.workflow (id uuid, name text, graph_data jsonb);"),
			[]string{"course                3     3        0", "message               61    61       0"}},
		"another table": {with(ce8, "CREATE TABLE public.shoes (id integer);\nINSERT INTO public.shoes VALUES (1);"), []string{"1 it is no table of the old system"}},
		"a new column":  {with(ce8, "CREATE TABLE public.knowledge_base (id uuid, colour text);\nINSERT INTO public.knowledge_base VALUES (NULL, 'red');"), []string{"knowledge_base        1     0        1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := plan(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

// TestOdd: what no school should have is left out or mended, and said.
func TestOdd(t *testing.T) {
	t.Parallel()
	ce8 := read(t, "legacy-ce8dc8d.sql")
	user := `INSERT INTO public."user" (email, username, full_name, role, id, is_active, created_at, avatar_url, hashed_password) VALUES `
	out, err := plan(t, with(ce8, user+`('x1@school.example', NULL, NULL, 'WIZARD', '00000000-0000-4000-8000-000000000001', true, '2026-09-01', '/static/avatars/../../secrets.yaml', 'md5'),
		('', NULL, NULL, 'STUDENT', '00000000-0000-4000-8000-000000000002', true, '2026-09-01', '/static/avatars/a.png', NULL),
		('x3@school.example', 'MEI', NULL, 'STUDENT', '00000000-0000-4000-8000-000000000003', true, 'never', NULL, NULL),
		('x4@school.example', NULL, NULL, 'STUDENT', 'no-id', true, '2026-09-01', NULL, NULL);
INSERT INTO public.message (content, room_id, id, created_at) VALUES ('lost', '00000000-0000-4000-8000-00000000000f', '00000000-0000-4000-8000-000000000004', '2026-09-01'),
	('[A2A]|x', '4f9949f4-73c8-4673-9135-9d893437f573', '00000000-0000-4000-8000-000000000005', '2026-09-01');`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"has the unknown role \"WIZARD\"", "no plain name of a file", "is not bcrypt", "signs in as \"user_00000000\"",
		"signs in as \"MEI_2\"", "left out  user no-id: has no valid id", "its room does not come"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestRefused: what cannot be imported is refused with the remedy.
func TestRefused(t *testing.T) {
	t.Parallel()
	ce8 := read(t, "legacy-ce8dc8d.sql")
	for name, c := range map[string]struct{ text, want string }{
		"another program": {"CREATE TABLE shoes (id text);\n-- PostgreSQL database dump complete\n", "no database of CoAgent Studio"},
		"no rooms":        {strings.Replace(ce8, "CREATE TABLE public.room (", "CREATE TABLE public.chamber (", 1), "CREATE TABLE"},
		"cut":             {ce8[:len(ce8)/2], "was cut"},
	} {
		if _, err := plan(t, c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
	out, err := plan(t, ce8, func(o *legacy.Options) { o.Key = "b3RoZXItZmVybmV0LXRlc3Qta2V5LTAwMDAwMDAwMDk=" })
	if err != nil || !strings.Contains(out, "none of the 8 encrypted keys can be read") {
		t.Errorf("with another key: %v\n%s", err, out)
	}
	out, err = plan(t, ce8, func(o *legacy.Options) { o.Zone = "Europe/Berlin" })
	if err != nil || !strings.Contains(out, "set timezone: Europe/Berlin") {
		t.Errorf("in another zone: %v\n%s", err, out)
	}
}
