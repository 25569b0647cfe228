package archive_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/coagent-studio/coagent/app/archive"
)

var (
	made     = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	columns  = []archive.Column{{"id", archive.Text}, {"n", archive.Int}, {"f", archive.Float}, {"b", archive.Bool}, {"at", archive.Time}, {"data", archive.Bytes}}
	manifest = archive.Manifest{Program: "v1", Database: "sqlite", Made: made, Schema: []string{"0101", "0102"},
		Tables: []archive.Table{{"empty", columns}, {"people", columns}, {"rooms", columns[:1]}}}
	strange = "\"\\ \n\t\x00\x1f\x7f <b>&  𝄞 é"
)

func row(n int) []any {
	if n == 1 {
		return []any{strange, nil, nil, nil, nil, nil}
	}
	return []any{fmt.Sprint("person ", n), int64(n) << 53, float64(n) / 3, n%2 == 0, made.Add(time.Duration(n) * time.Microsecond), []byte{0, 255, byte(n)}}
}

// write makes an archive with some rows and two files; from 1000 rows on some are long.
func write(t testing.TB, rows int) ([]byte, *archive.End) {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, manifest)
	if err != nil {
		t.Fatal(err)
	}
	for n := range rows {
		if err := w.Row("people", row(n)); err != nil {
			t.Fatal(err)
		}
	}
	long, file := archive.PartBytes+5, content
	if rows < 1000 {
		long, file = 500, content[:500]
	}
	err = errors.Join(w.Row("rooms", []any{strings.Repeat("x", long)}), w.Row("rooms", []any{"a room"}),
		w.File("a-1", bytes.NewReader(file)), w.File("b-2", strings.NewReader("")))
	w.Gone("c-3")
	end, closed := w.Close()
	if err := errors.Join(err, closed); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), end
}

var content = bytes.Repeat([]byte("0123456789abcdef"), (archive.PartBytes+100)/16)

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	data, wrote := write(t, 1000)
	var people [][]any
	rooms := 0
	files := map[string][]byte{}
	m, end, err := archive.Read(bytes.NewReader(data), archive.Into{
		Rows: func(table *archive.Table, rows [][]any) error {
			if table.Name == "people" {
				people = append(people, rows...)
			} else {
				rooms += len(rows)
			}
			return nil
		},
		Piece: func(id string, piece []byte) error { files[id] = append(files[id], piece...); return nil },
		File: func(id string, size int64, sum [32]byte) error {
			if sum != sha256.Sum256(files[id]) || size != int64(len(files[id])) {
				t.Errorf("%s: the hash or the size is wrong", id)
			}
			files[id] = append(files[id], '.')
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(people) != 1000 || rooms != 2 || string(files["b-2"]) != "." || !bytes.Equal(files["a-1"], append(content[:len(content):len(content)], '.')) {
		t.Errorf("got %d people, %d rooms, %d files", len(people), rooms, len(files))
	}
	for n, got := range people {
		if want := row(n); !reflect.DeepEqual(got, want) {
			t.Fatalf("row %d: got %q, want %q", n, got, want)
		}
	}
	if !reflect.DeepEqual(end, wrote) || !reflect.DeepEqual(m.Tables, manifest.Tables) || end.Rows() != 1002 || end.Gone[0] != "c-3" {
		t.Errorf("got %+v, want %+v", end, wrote)
	}
}

// The hash of a table is that of its rows, in whatever order they came.
func TestHashWithoutOrder(t *testing.T) {
	t.Parallel()
	sum := func(order ...int) string {
		var s archive.Sum
		for _, n := range order {
			line, err := archive.AppendRow(nil, columns, row(n))
			if err != nil {
				t.Fatal(err)
			}
			s.Add(sha256.Sum256(line))
		}
		return s.String()
	}
	if sum(1, 2, 3) != sum(3, 1, 2) || sum(1, 2) == sum(1, 3) || sum(1) == sum(1, 1) {
		t.Error("the sum of hashes depends on the order, or not on the rows")
	}
}

// Wherever an archive is cut, it is known as damaged.
func TestCut(t *testing.T) {
	t.Parallel()
	data, _ := write(t, 900)
	step := max(1, len(data)/700)
	for at := 0; at < len(data); at++ {
		if at > 200 && at < len(data)-200 && at%step != 0 {
			continue
		}
		_, _, err := archive.Read(bytes.NewReader(data[:at]), archive.Into{})
		var d *archive.Damage
		if !errors.As(err, &d) || d.Read > int64(at) {
			t.Fatalf("cut at %d of %d: got %v", at, len(data), err)
		}
	}
}

// Whichever bit is turned, an archive is known as damaged, or holds what it held.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	data, wrote := write(t, 300)
	step := max(1, len(data)/1500)
	for at := 0; at < len(data); at += step {
		bad := bytes.Clone(data)
		bad[at] ^= 1 << (at % 8)
		_, end, err := archive.Read(bytes.NewReader(bad), archive.Into{})
		var d *archive.Damage
		if err == nil && !reflect.DeepEqual(end, wrote) || err != nil && (!errors.As(err, &d) || !strings.Contains(err.Error(), "byte ")) {
			t.Fatalf("bit %d of byte %d: got %v", at%8, at, err)
		}
	}
	for _, more := range []string{"x", string(data)} {
		if _, _, err := archive.Read(strings.NewReader(string(data)+more), archive.Into{}); err == nil {
			t.Error("something that follows the archive is taken for a part of it")
		}
	}
}

// entry is one of a hostile archive.
type entry struct {
	name, content string
	flag          byte
	size          int64 // 0 is that of the content
	noSum         bool
}

func forge(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, e := range entries {
		sum := sha256.Sum256([]byte(e.content))
		h := &tar.Header{Name: e.name, Typeflag: max(e.flag, tar.TypeReg), Size: max(e.size, int64(len(e.content))), Format: tar.FormatPAX}
		if !e.noSum {
			h.PAXRecords = map[string]string{"SCHILY.xattr.user.coagent.sha256": hex.EncodeToString(sum[:])}
		}
		if h.Typeflag != tar.TypeReg {
			h.Size, h.Linkname = 0, "/etc/passwd"
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(w, e.content) // the hostile ones fail
	}
	_ = w.Flush() // likewise
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func rowsOf(table string, part int, lines string) entry {
	return entry{name: fmt.Sprintf("rows/%s/%06d.jsonl", table, part), content: lines + "\n"}
}

func file(id, content string) entry { return entry{name: "files/" + id + "/000001", content: content} }

func fileEnded(id, content string) entry {
	return entry{name: "files/" + id + "/end.json", content: fmt.Sprintf(`{"bytes":%d,"sha256":"%x"}`, len(content), sha256.Sum256([]byte(content)))}
}

// A bomb is refused by what it unpacks to, before it is unpacked.
func TestBomb(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	zeros := make([]byte, 1<<20)
	err = w.WriteHeader(&tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Size: 64 << 20, Format: tar.FormatPAX})
	for range 64 {
		_, more := w.Write(zeros)
		err = errors.Join(err, more)
	}
	if err := errors.Join(err, w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if out.Len() > 1<<16 {
		t.Fatalf("the bomb has %d bytes", out.Len())
	}
	_, _, err = archive.Read(bytes.NewReader(out.Bytes()), archive.Into{})
	var d *archive.Damage
	if !errors.As(err, &d) || d.At > 4<<20 {
		t.Errorf("got %v, want damage before the content was unpacked", err)
	}
}

// Whichever byte of an entry is another than it was, the damage is in that entry.
func TestDamageNamesItsEntry(t *testing.T) {
	t.Parallel()
	data, _ := write(t, 300)
	var plain []byte
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if plain, err = z.DecodeAll(data, nil); err != nil {
		t.Fatal(err)
	}
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	in := bytes.NewReader(plain)
	entries := tar.NewReader(in)
	seen := 0
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		begin := int64(len(plain)) - int64(in.Len())
		for _, at := range []int64{0, h.Size / 2, h.Size - 1} {
			bad := bytes.Clone(plain)
			bad[begin+at] ^= 1
			_, _, err := archive.Read(bytes.NewReader(packer.EncodeAll(bad, nil)), archive.Into{})
			var d *archive.Damage
			if !errors.As(err, &d) || !strings.Contains(d.Entry, h.Name) {
				t.Errorf("byte %d of %s: got %v", at, h.Name, err)
			}
		}
		seen++
	}
	if seen < 6 {
		t.Errorf("only %d entries", seen)
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	head := func(tables string) entry {
		return entry{name: "manifest.json", content: `{"format":1,"schema":["0101"],"tables":[` + tables + `]}`}
	}
	good := head(`{"name":"people","columns":[{"name":"id","kind":"text"}]}`)
	cases := map[string][]entry{
		"nothing":           {},
		"no manifest":       {{name: "rows/people/000001.jsonl", content: "[\"x\"]\n"}},
		"another manifest":  {{name: "manifest.json", content: "[]"}},
		"no table":          {head("")},
		"a table's name":    {head(`{"name":"people; DROP TABLE users","columns":[{"name":"id","kind":"text"}]}`)},
		"a path for a name": {head(`{"name":"../../etc","columns":[{"name":"id","kind":"text"}]}`)},
		"a column's name":   {head(`{"name":"people","columns":[{"name":"id\" = 1","kind":"text"}]}`)},
		"a kind":            {head(`{"name":"people","columns":[{"name":"id","kind":"blob"}]}`)},
		"twice":             {head(`{"name":"p","columns":[{"name":"id","kind":"text"}]},{"name":"p","columns":[{"name":"id","kind":"text"}]}`)},
		"no end":            {good},
		"an unknown table":  {good, {name: "rows/rooms/000001.jsonl", content: "[\"x\"]\n"}},
		"rows twice":        {good, rowsOf("people", 1, `["x"]`), rowsOf("people", 1, `["x"]`)},
		"parts in disorder": {good, rowsOf("people", 1, `["x"]`), rowsOf("people", 3, `["x"]`), rowsOf("people", 2, `["x"]`)},
		"tables in disorder": {head(`{"name":"a","columns":[{"name":"id","kind":"text"}]},{"name":"b","columns":[{"name":"id","kind":"text"}]}`),
			rowsOf("b", 1, `["x"]`), rowsOf("a", 1, `["x"]`)},
		"rows after files":  {good, {name: "files/a/000001", content: "x"}, rowsOf("people", 1, `["x"]`)},
		"a manifest twice":  {good, good},
		"an unknown entry":  {good, {name: "notes.txt", content: "x"}},
		"an absolute path":  {good, {name: "/etc/passwd", content: "x"}},
		"a file twice":      {good, file("a", "x"), fileEnded("a", "x"), file("a", "x"), fileEnded("a", "x"), {name: "end.json", content: "{}"}},
		"a piece twice":     {good, file("a", "x"), file("a", "x")},
		"bad JSON":          {good, rowsOf("people", 1, `["x"`)},
		"JSON of no row":    {good, rowsOf("people", 1, `{"id":"x"}`)},
		"JSON and more":     {good, rowsOf("people", 1, `["x"]["y"]`)},
		"a bad manifest":    {{name: "manifest.json", content: "{"}},
		"a bad end":         {good, {name: "end.json", content: "{"}},
		"many rows at once": {good, rowsOf("people", 1, strings.Repeat("[\"\"]\n", archive.PartBytes/5+1)+`[""]`)},
		"many values":       {good, rowsOf("people", 1, "["+strings.Repeat("1,", archive.PartBytes)+"1]")},
		"a long manifest":   {{name: "manifest.json", content: strings.Repeat(" ", archive.PartBytes+1)}},
		"a long piece":      {good, {name: "files/a/000001", content: strings.Repeat("x", archive.PartBytes+1)}},
		"a deep value":      {good, rowsOf("people", 1, strings.Repeat("[", 1<<20))},
		"a missing part":    {good, {name: "rows/people/000002.jsonl", content: "[\"x\"]\n"}},
		"another kind":      {good, {name: "rows/people/000001.jsonl", content: "[1]\n"}},
		"too many values":   {good, {name: "rows/people/000001.jsonl", content: "[\"a\",\"b\"]\n"}},
		"no line":           {good, {name: "rows/people/000001.jsonl", content: "[\"a\"]"}},
		"a path":            {good, {name: "../../etc/passwd", content: "x"}},
		"a file's id":       {good, {name: "files/../000001", content: "x"}},
		"a file's end":      {good, {name: "files/a/000001", content: "x"}, {name: "files/a/end.json", content: "{}"}},
		"another file":      {good, {name: "files/a/000001", content: "x"}, {name: "files/b/000001", content: "x"}},
		"a link":            {good, {name: "rows/people/000001.jsonl", flag: tar.TypeSymlink}},
		"no hash":           {good, {name: "rows/people/000001.jsonl", content: "[\"x\"]\n", noSum: true}},
		"a size":            {good, {name: "rows/people/000001.jsonl", content: "[\"x\"]\n", size: 1 << 40}},
		"a size in bounds":  {good, {name: "rows/people/000001.jsonl", content: "[\"x\"]\n", size: archive.MaxEntry}},
		"a wrong end":       {good, {name: "end.json", content: `{"tables":[{"name":"people","rows":1}]}`}},
		"an early end":      {good, {name: "end.json", content: `{}`}},
	}
	for name, entries := range cases {
		_, _, err := archive.Read(bytes.NewReader(forge(t, entries...)), archive.Into{})
		var d *archive.Damage
		if !errors.As(err, &d) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	newer := head(`{"name":"people","columns":[{"name":"id","kind":"text"}]}`)
	newer.content = strings.Replace(newer.content, `"format":1`, `"format":2`, 1)
	if _, _, err := archive.Read(bytes.NewReader(forge(t, newer)), archive.Into{}); !errors.Is(err, archive.ErrNewer) {
		t.Errorf("a newer form: got %v", err)
	}
	if _, _, err := archive.Read(strings.NewReader("PK no archive at all, but some text"), archive.Into{}); err == nil || !strings.Contains(err.Error(), "no archive of coagent") {
		t.Errorf("another file: got %v", err)
	}
}

// What a reader or a taker returns is returned as it is, and is no damage.
func TestErrorsOfOthers(t *testing.T) {
	t.Parallel()
	data, _ := write(t, 10)
	mine := errors.New("the disk is full")
	for name, into := range map[string]archive.Into{
		"manifest": {Manifest: func(*archive.Manifest) error { return mine }},
		"rows":     {Rows: func(*archive.Table, [][]any) error { return mine }},
		"piece":    {Piece: func(string, []byte) error { return mine }},
		"file":     {File: func(string, int64, [32]byte) error { return mine }},
	} {
		if _, _, err := archive.Read(bytes.NewReader(data), into); !errors.Is(err, mine) || errors.As(err, new(*archive.Damage)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, _, err := archive.Read(io.MultiReader(bytes.NewReader(data[:500]), broken{mine}), archive.Into{}); !errors.Is(err, mine) || errors.As(err, new(*archive.Damage)) {
		t.Errorf("reading: got %v", err)
	}
	w, err := archive.NewWriter(io.Discard, manifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]any{"kind": {int64(1), nil, nil, nil, nil, nil}, "number": {"x"}, "type": {uint8(3), nil, nil, nil, nil, nil}} {
		if err := w.Row("people", values); err == nil {
			t.Errorf("a row with a wrong %s was taken", name)
		}
	}
	if err := errors.Join(w.Row("rooms", []any{"x"})); err != nil {
		t.Fatal(err)
	}
	if err := w.Row("people", row(0)); err == nil {
		t.Error("rows after their place were taken")
	}
	w.Abort()
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func FuzzRead(f *testing.F) {
	data, _ := write(f, 20)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := archive.Read(bytes.NewReader(data), archive.Into{}); err != nil && !errors.As(err, new(*archive.Damage)) && !errors.Is(err, archive.ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
}

// FuzzEntries reads archives whose entries are what they say that they are, and hold anything.
func FuzzEntries(f *testing.F) {
	f.Add("rows/people/000001.jsonl", []byte("[\"x\"]\n"), "end.json", []byte("{}"))
	f.Add("files/a/000001", []byte("x"), "files/a/end.json", []byte(`{"bytes":1}`))
	f.Add("manifest.json", []byte("{}"), "../x", []byte("[[[["))
	f.Fuzz(func(t *testing.T, first string, one []byte, second string, two []byte) {
		if len(first) > 90 || len(second) > 90 || strings.ContainsRune(first+second, 0) {
			return // no name of an entry
		}
		data := forge(t, entry{name: "manifest.json", content: `{"format":1,"schema":["0101"],"tables":[{"name":"people","columns":[{"name":"id","kind":"text"}]}]}`},
			entry{name: first, content: string(one)}, entry{name: second, content: string(two)})
		_, _, err := archive.Read(bytes.NewReader(data), archive.Into{Rows: func(_ *archive.Table, rows [][]any) error {
			for _, row := range rows {
				if len(row) != 1 {
					t.Errorf("got %v, want one value", row)
				}
			}
			return nil
		}})
		if err != nil && !errors.As(err, new(*archive.Damage)) {
			t.Errorf("got %v, want a *Damage", err)
		}
	})
}
