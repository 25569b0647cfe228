package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Writer writes an archive. The rows of a table come together, the tables in the order of the
// manifest, and then the files. After an error the archive is of no use.
type Writer struct {
	zstd     *zstd.Encoder
	tar      *tar.Writer
	manifest Manifest
	end      End
	table    int    // in the manifest
	part     []byte // rows that are not written yet
	sum      Sum    // of the table
	files    Sum
}

// NewWriter begins an archive.
func NewWriter(to io.Writer, m Manifest) (*Writer, error) {
	m.Format = Format
	if err := m.check(); err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	if err != nil {
		return nil, err
	}
	w := &Writer{zstd: z, tar: tar.NewWriter(z), manifest: m}
	for _, t := range m.Tables {
		w.end.Tables = append(w.end.Tables, TableSum{Name: t.Name})
	}
	return w, w.json(manifestName, m)
}

// Row adds a row of a table.
func (w *Writer) Row(table string, values []any) error {
	for w.table < len(w.end.Tables) && w.end.Tables[w.table].Name != table {
		if err := w.endTable(); err != nil {
			return err
		}
	}
	if w.table == len(w.end.Tables) {
		return fmt.Errorf("rows of %s come after their place", table)
	}
	from := len(w.part)
	part, err := AppendRow(w.part, w.manifest.Tables[w.table].Columns, values)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	if len(part)-from > MaxEntry {
		return fmt.Errorf("%w: one of %s has %d bytes", ErrTooLong, table, len(part)-from)
	}
	w.sum.Add(sha256.Sum256(part[from:]))
	w.end.Tables[w.table].Rows++
	if w.part = part; len(part) < PartBytes {
		return nil
	}
	// A row that came last and is long stands alone: an entry is longer than PartBytes only
	// for one row.
	if from > 0 && len(part) > PartBytes {
		if err := w.rows(part[:from]); err != nil {
			return err
		}
		w.part = w.part[:copy(w.part, part[from:])]
		if len(w.part) < PartBytes {
			return nil
		}
	}
	return w.flush()
}

// flush writes the rows that wait.
func (w *Writer) flush() error {
	if len(w.part) == 0 {
		return nil
	}
	err := w.rows(w.part)
	if w.part = w.part[:0]; cap(w.part) > 4*PartBytes {
		w.part = nil
	}
	return err
}

func (w *Writer) rows(part []byte) error {
	t := &w.end.Tables[w.table]
	t.Parts++
	return w.entry(fmt.Sprintf("rows/%s/%06d.jsonl", t.Name, t.Parts), part)
}

// endTable ends the rows of a table.
func (w *Writer) endTable() error {
	err := w.flush()
	w.end.Tables[w.table].SHA256 = w.sum.String()
	w.sum = Sum{}
	w.table++
	return err
}

func (w *Writer) endTables() error {
	for w.table < len(w.end.Tables) {
		if err := w.endTable(); err != nil {
			return err
		}
	}
	return nil
}

// File adds the content of a file.
func (w *Writer) File(id string, content io.Reader) error {
	if !fileID.MatchString(id) {
		return fmt.Errorf("%q is no id of a file", id)
	}
	if err := w.endTables(); err != nil {
		return err
	}
	whole, size := sha256.New(), int64(0)
	piece := make([]byte, PartBytes)
	for n := 1; ; n++ {
		got, err := io.ReadFull(content, piece)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if got == 0 {
			break
		}
		whole.Write(piece[:got])
		size += int64(got)
		if err := w.entry(fmt.Sprintf("files/%s/%06d", id, n), piece[:got]); err != nil {
			return err
		}
		if err != nil {
			break
		}
	}
	end := fileEnd{Bytes: size, SHA256: hex.EncodeToString(whole.Sum(nil))}
	w.end.Files.Files++
	w.end.Files.Bytes += size
	w.files.Add(sha256.Sum256([]byte(id + " " + end.SHA256)))
	return w.json("files/"+id+"/"+endName, end)
}

// maxGone bounds how many files without content are named.
const maxGone = 1000

// Gone says that the content of a file is not where it should lie.
func (w *Writer) Gone(id string) {
	if len(w.end.Gone) < maxGone {
		w.end.Gone = append(w.end.Gone, id)
	}
}

// Close ends the archive, and returns what it has. It does not close what is written to.
func (w *Writer) Close() (*End, error) {
	if err := w.endTables(); err != nil {
		return nil, err
	}
	w.end.Files.SHA256 = w.files.String()
	if err := w.json(endName, w.end); err != nil {
		return nil, err
	}
	return &w.end, errors.Join(w.tar.Close(), w.zstd.Close())
}

// Abort lets an archive go that will not be ended.
func (w *Writer) Abort() { w.zstd.Reset(nil) }

// Has returns how many rows and how many bytes of files were added so far.
func (w *Writer) Has() (rows, fileBytes int64) { return w.end.Rows(), w.end.Files.Bytes }

func (w *Writer) json(name string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return w.entry(name, append(text, '\n'))
}

func (w *Writer) entry(name string, content []byte) error {
	hash := sha256.Sum256(content)
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)), Mode: 0o600, Format: tar.FormatPAX,
		ModTime: w.manifest.Made.Truncate(time.Second), PAXRecords: map[string]string{sumRecord: hex.EncodeToString(hash[:])}})
	if err != nil {
		return err
	}
	_, err = w.tar.Write(content)
	return err
}
