package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Into takes what Read finds. Each function may be nil. What it gets is its own only until
// it returns; an error of it ends the reading and is returned as it is.
type Into struct {
	Manifest func(*Manifest) error
	// Rows gets the rows of one entry.
	Rows func(t *Table, rows [][]any) error
	// Piece gets the pieces of a file in their order, and File its end.
	Piece func(id string, piece []byte) error
	File  func(id string, size int64, sha256 [32]byte) error
}

// Read reads a whole archive and checks it: each entry, their order, each row, the counts,
// and that it ends where it says so. The error is a *Damage, ErrNewer, or what reading or a
// function of into has returned.
func Read(from io.Reader, into Into) (*Manifest, *End, error) {
	counted := &counter{r: from}
	z, err := zstd.NewReader(counted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20), zstd.WithDecoderMaxMemory(MaxEntry))
	if err != nil {
		return nil, nil, err
	}
	defer z.Close()
	unpacked := &counter{r: z}
	r := &reading{counted: counted, unpacked: unpacked, tar: tar.NewReader(unpacked), into: into}
	end, err := r.all()
	if err != nil {
		return nil, nil, r.explain(err)
	}
	return r.manifest, end, nil
}

// counter counts what was read, and keeps the error of what it reads from.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

type reading struct {
	counted, unpacked *counter
	tar               *tar.Reader
	into              Into
	entry             string
	manifest          *Manifest
	end               End
	table             int
	sum               Sum
	file              string // whose pieces are being read
	pieces            int
	size              int64
	whole             hash.Hash
	files             Sum
}

// taken is an error of those who take what is read, and no damage.
type taken struct{ err error }

func (t taken) Error() string { return t.err.Error() }

func took(err error) error {
	if err == nil {
		return nil
	}
	return taken{err}
}

// explain makes an error one that names its place, unless it is none of the archive's.
func (r *reading) explain(err error) error {
	var of taken
	switch {
	case errors.As(err, &of):
		return of.err
	case r.counted.err != nil:
		return r.counted.err
	case errors.Is(err, ErrNewer):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends there: it is cut, or was not finished")
	case errors.Is(err, zstd.ErrMagicMismatch) && r.manifest == nil:
		err = errors.New("it is no archive of coagent")
	}
	return &Damage{Entry: r.entry, At: r.unpacked.n, Read: r.counted.n, Err: err}
}

func (r *reading) all() (*End, error) {
	for {
		name, content, err := r.next()
		if err != nil {
			return nil, err
		}
		switch parts := strings.Split(name, "/"); {
		case r.manifest == nil:
			err = r.readManifest(name, content)
		case name == endName:
			return r.readEnd(content)
		case len(parts) == 3 && parts[0] == "rows":
			err = r.readRows(parts[1], parts[2], content)
		case len(parts) == 3 && parts[0] == "files":
			err = r.readFile(parts[1], parts[2], content)
		default:
			err = errors.New("an archive has no such entry")
		}
		if err != nil {
			return nil, err
		}
	}
}

// next reads an entry and checks its hash.
func (r *reading) next() (string, []byte, error) {
	h, err := r.tar.Next()
	if err != nil {
		return "", nil, err
	}
	r.entry = fmt.Sprintf("%.120q", h.Name)
	if h.Typeflag != tar.TypeReg || h.Size > MaxEntry || h.Size < 0 {
		return "", nil, errors.New("an entry is no plain file, or too long")
	}
	if h.Size > PartBytes && !strings.HasPrefix(h.Name, "rows/") {
		return "", nil, errors.New("an entry is too long for what it is")
	}
	// The buffer grows with what is really there, and not with what the header says.
	var content bytes.Buffer
	if _, err := io.CopyN(&content, r.tar, h.Size); err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(content.Bytes())
	if h.PAXRecords[sumRecord] != hex.EncodeToString(sum[:]) {
		return "", nil, errors.New("its content is not what its SHA-256 says")
	}
	return h.Name, content.Bytes(), nil
}

func (r *reading) readManifest(name string, content []byte) error {
	m := &Manifest{}
	if name != manifestName || json.Unmarshal(content, m) != nil {
		return errors.New("it is no archive of coagent: it does not begin with a manifest")
	}
	if err := m.check(); err != nil {
		return err
	}
	r.manifest = m
	for _, t := range m.Tables {
		r.end.Tables = append(r.end.Tables, TableSum{Name: t.Name})
	}
	if r.into.Manifest == nil {
		return nil
	}
	return took(r.into.Manifest(m))
}

func (r *reading) readRows(table, part string, content []byte) error {
	for r.table < len(r.end.Tables) && r.end.Tables[r.table].Name != table {
		r.endTable()
	}
	if r.table == len(r.end.Tables) {
		return errors.New("rows of a table that the manifest does not name, or not in its order")
	}
	t, s := &r.manifest.Tables[r.table], &r.end.Tables[r.table]
	if s.Parts++; part != fmt.Sprintf("%06d.jsonl", s.Parts) {
		return fmt.Errorf("part %d of its table is missing", s.Parts)
	}
	// A few bytes of a line are many in memory, so a long entry is one row, and no row has more
	// values than its table has columns.
	if len(content) > PartBytes && (bytes.IndexByte(content, '\n') != len(content)-1 || values(content) > len(t.Columns)) {
		return errors.New("an entry as long as that has one row")
	}
	var rows [][]any
	for len(content) > 0 {
		i := bytes.IndexByte(content, '\n')
		if i < 0 {
			return errors.New("its last row has no end")
		}
		row, err := ParseRow(t.Columns, content[:i])
		if err != nil {
			return err
		}
		r.sum.Add(sha256.Sum256(content[:i+1]))
		s.Rows++
		rows = append(rows, row)
		content = content[i+1:]
	}
	if r.into.Rows == nil {
		return nil
	}
	return took(r.into.Rows(t, rows))
}

// values is how many values a line has at most.
func values(line []byte) int {
	n, text := 1, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case text && c == '\\':
			i++ // what is escaped ends no text
		case c == '"':
			text = !text
		case c == ',' && !text:
			n++
		}
	}
	return n
}

func (r *reading) endTable() {
	r.end.Tables[r.table].SHA256 = r.sum.String()
	r.sum = Sum{}
	r.table++
}

func (r *reading) readFile(id, part string, content []byte) error {
	for r.table < len(r.end.Tables) {
		r.endTable()
	}
	if r.file == "" && fileID.MatchString(id) {
		r.file, r.pieces, r.size, r.whole = id, 0, 0, sha256.New()
	}
	if id != r.file {
		return errors.New("pieces of another file come before the end of this one")
	}
	if part == endName {
		return r.endFile(content)
	}
	if r.pieces++; part != fmt.Sprintf("%06d", r.pieces) {
		return fmt.Errorf("piece %d of its file is missing", r.pieces)
	}
	r.whole.Write(content)
	r.size += int64(len(content))
	if r.into.Piece == nil {
		return nil
	}
	return took(r.into.Piece(id, content))
}

func (r *reading) endFile(content []byte) error {
	var sum [32]byte
	r.whole.Sum(sum[:0])
	var said fileEnd
	if json.Unmarshal(content, &said) != nil || said != (fileEnd{r.size, hex.EncodeToString(sum[:])}) {
		return errors.New("a file is not as long as it was, or not what its SHA-256 says")
	}
	r.files.Add(sha256.Sum256([]byte(r.file + " " + said.SHA256)))
	r.end.Files.Files++
	r.end.Files.Bytes += r.size
	id := r.file
	r.file = ""
	if r.into.File == nil {
		return nil
	}
	return took(r.into.File(id, r.size, sum))
}

// readEnd compares what was read with what must have been there, and makes sure that
// nothing follows.
func (r *reading) readEnd(content []byte) (*End, error) {
	if r.file != "" {
		return nil, errors.New("the end of a file is missing")
	}
	for r.table < len(r.end.Tables) {
		r.endTable()
	}
	r.end.Files.SHA256 = r.files.String()
	var said End
	if err := json.Unmarshal(content, &said); err != nil {
		return nil, err
	}
	if len(said.Tables) != len(r.end.Tables) || said.Files != r.end.Files {
		return nil, errors.New("it has other tables or files than it had at its end")
	}
	for i, t := range r.end.Tables {
		if said.Tables[i] != t {
			return nil, fmt.Errorf("the table %s has %d rows, and had %d; or their hashes differ", t.Name, t.Rows, said.Tables[i].Rows)
		}
	}
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	if n, err := io.Copy(io.Discard, r.unpacked); err != nil {
		return nil, err
	} else if n > 0 {
		return nil, errors.New("something follows its end")
	}
	return &said, nil
}
