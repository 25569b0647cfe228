package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gabriel-vasile/mimetype"

	"github.com/coagent-studio/coagent/app/blob"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/picture"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// headBytes is how much of the beginning of a file tells its type.
	headBytes = 3072
	// maxPicture is the largest file of which pictures are made: it has to be in memory for
	// that. A larger one is a file like any other.
	maxPicture = 32 << 20
	// imageSide and thumbnailSide are the longer sides of the pictures that are made, in
	// pixels. Models that see scale larger ones down to about imageSide.
	imageSide     = llm.PictureSide
	thumbnailSide = 320
)

// imageBounds limits the uploads that wait until pictures are made of them. They wait on the
// disk, so a person's whole share of uploads may.
var imageBounds = limit.Bounds{PerAddress: 1000, AtAll: 10_000, Busy: pictureBounds.Busy}

// Upload is an upload that was let in. Close it.
type Upload struct {
	app      *App
	actor    *Actor
	room     *store.Room
	clientID string
	release  func()
	before   *store.File
}

// BeginUpload lets somebody upload a file to a room, before anything of it is read.
// clientID (0..64 characters) is the client's own id for it: a second upload with the same
// id adds nothing.
func (a *App) BeginUpload(ctx context.Context, actor *Actor, roomID, clientID string) (*Upload, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActUploadFile)
	if err != nil {
		return nil, err
	}
	if err := text("client_id", clientID, 0, 64); err != nil {
		return nil, err
	}
	if err := a.limits.uploads.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	u := &Upload{app: a, actor: actor, room: room, clientID: clientID, release: func() {}}
	if u.before, err = u.earlier(ctx); u.before != nil || err != nil {
		return u, err
	}
	person, slots := "person "+actor.User.ID, &a.limits.uploading
	if !slots.Take(person, a.cfg.Files.UploadsPerPerson) {
		return nil, errorf(KindLimited, wording.UploadsUnderWay, "%d uploads of yours are under way. Wait for one of them, then try again", a.cfg.Files.UploadsPerPerson)
	}
	if !slots.Take("all", a.cfg.Files.UploadsAtOnce) {
		slots.Free(person)
		return nil, &Error{Kind: KindUnavailable, Code: wording.Busy, RetryAfter: 5 * time.Second,
			Message: "Other uploads are still being read. Try again in 5 s."}
	}
	u.release = func() { slots.Free("all"); slots.Free(person) }
	return u, nil
}

// Before is the file that was uploaded before with the same client_id, nil for none. Then
// nothing has to be received.
func (u *Upload) Before() *store.File { return u.before }

// Close ends the upload, whatever has become of it.
func (u *Upload) Close() { u.release() }

// earlier finds what was uploaded before with the same client_id.
func (u *Upload) earlier(ctx context.Context) (*store.File, error) {
	if u.clientID == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	f, err := u.app.db.FileByClientID(ctx, u.room.ID, u.actor.User.ID, u.clientID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil //nolint:nilnil // the same
	}
	return f, err
}

// Receive reads a file and stores it. Its error may be one of body. Until it returns a file,
// nothing is stored that stays. dup is true when another upload with the same client_id was
// quicker.
func (u *Upload) Receive(ctx context.Context, name string, body io.Reader) (f *store.File, dup bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, uploadWithin)
	defer cancel()
	a := u.app
	in, done, err := a.spool(ctx, body)
	if err != nil {
		return nil, false, err
	}
	defer done()
	now := a.instant()
	f = &store.File{ID: store.NewID(), RoomID: u.room.ID, UploaderID: u.actor.User.ID, ClientID: u.clientID, Name: fileName(name),
		Type: in.kind(), Size: in.size, IsText: in.text, CreatedAt: now}
	all := []content{{store.BlobOriginal, f.Type, blob.Content{Reader: in.file, Size: in.size, SHA256: in.hash}}}
	made, err := a.pictures(ctx, u.actor, in, f)
	if err != nil {
		return nil, false, err
	}
	all = append(all, made...)
	for _, c := range all {
		f.Stored += c.Size
	}
	if err := u.fits(ctx, f); err != nil {
		return nil, false, err
	}
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return nil, false, err
	}
	ids, err := a.files.put(ctx, all)
	if err != nil {
		return nil, false, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return u.commit(ctx, tx, f, ids) })
	if err != nil {
		a.files.leave(ctx, ids)
	}
	if errors.Is(err, store.ErrExists) {
		if before, err := u.earlier(ctx); before != nil || err != nil {
			return before, true, err
		}
	}
	return f, false, fromStore(err, "Room")
}

// commit adds the file within the quotas of its room and its uploader. The locks of both
// make uploads at the same time count each other.
func (u *Upload) commit(ctx context.Context, tx *store.Tx, f *store.File, blobIDs []string) error {
	if _, err := tx.OpenRoomForUpdate(ctx, f.RoomID); err != nil {
		return err
	}
	if err := tx.CreateFile(ctx, f, blobIDs); err != nil {
		return err
	}
	most := &u.app.cfg.Files
	n, err := tx.FileBytesInRoom(ctx, f.RoomID)
	if err != nil {
		return err
	}
	if n > int64(most.PerRoom) {
		return errorf(KindConflict, wording.Quota, "The files of one room can have %s, and this would be more. Delete messages with files, or ask the"+
			" operator to raise files.per_room", most.PerRoom)
	}
	person, err := tx.LockPerson(ctx, f.UploaderID)
	if err != nil {
		return err
	}
	b, err := tx.FileBytesOfPerson(ctx, f.UploaderID)
	switch {
	case err != nil:
		return err
	case b.Unposted > int64(most.Unposted):
		return errorf(KindConflict, wording.Quota, "Files that no message shows can have %s, and this would be more. Post or delete some first", most.Unposted)
	case b.All > int64(most.PerPerson) && !isAdminRole(person.Role):
		return errorf(KindConflict, wording.Quota, "One person can upload %s, and this would be more. Delete messages with files, or ask the operator to"+
			" raise files.per_person", most.PerPerson)
	}
	return nil
}

// fits refuses what cannot be stored, before it is written.
func (u *Upload) fits(ctx context.Context, f *store.File) error {
	if ok, err := u.app.files.hasRoom(ctx, f.Stored); err != nil || ok {
		return err
	}
	return errorf(KindConflict, wording.Quota, "The files of all rooms can have %s, and this would be more. Ask the operator to raise files.at_all", u.app.cfg.Files.AtAll)
}

// spooled is an upload that has come whole. It lies in a file without a name.
type spooled struct {
	file *os.File
	size int64
	hash [sha256.Size]byte
	head []byte
	text bool // all of it is UTF-8 text
}

// FileTooLarge is the error for a file that has more than the limit.
func (a *App) FileTooLarge() error {
	return errorf(KindTooLarge, wording.TooLarge, "The file has more than %s, the most that is possible", a.cfg.Files.UploadLimit)
}

// spool reads an upload to its end.
func (a *App) spool(ctx context.Context, body io.Reader) (*spooled, func(), error) {
	file, done, err := blob.Spool(a.cfg.UploadsDir())
	if err != nil {
		return nil, nil, a.files.failure(ctx, err)
	}
	in, hash, watch := &spooled{file: file}, sha256.New(), textWatch{is: true}
	piece, most := make([]byte, 64<<10), int64(a.cfg.Files.UploadLimit)
	for {
		n, err := body.Read(piece)
		got := piece[:n]
		in.size += int64(n)
		if in.size > most {
			err = a.FileTooLarge()
		} else if _, failed := file.Write(got); failed != nil {
			err = a.spoolFailed(ctx, failed)
		}
		in.head = append(in.head, got[:min(n, headBytes-len(in.head))]...)
		_, _ = hash.Write(got) // never fails
		watch.see(got)
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) && in.size > 0 {
			break
		}
		if errors.Is(err, io.EOF) {
			err = invalid("file", "is empty, send one with content")
		}
		if err != nil {
			done()
			return nil, nil, err
		}
	}
	in.text = watch.end()
	hash.Sum(in.hash[:0])
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		done()
		return nil, nil, err
	}
	return in, done, nil
}

func (a *App) spoolFailed(ctx context.Context, err error) error {
	if blob.Full(err) {
		return StorageFull(err)
	}
	return a.files.failure(ctx, err)
}

// kind is the media type of the content, by its first bytes.
func (in *spooled) kind() string {
	found, _, err := mime.ParseMediaType(mimetype.Detect(in.head).String())
	switch {
	case err != nil:
		return binaryType
	case in.text && !textual(found):
		return "text/plain" // a text that begins as something else does
	case !in.text && found == "text/plain":
		return binaryType
	}
	return found
}

const binaryType = "application/octet-stream"

// textual tells whether content of a type can be text.
func textual(mediaType string) bool {
	return strings.HasPrefix(mediaType, "text/") || strings.HasSuffix(mediaType, "+xml") || strings.HasSuffix(mediaType, "json") ||
		slices.Contains([]string{"application/javascript", "application/x-ndjson", "application/rtf", "application/postscript"}, mediaType)
}

// textWatch finds out whether bytes that come in pieces are UTF-8 text without control
// characters.
type textWatch struct {
	is   bool
	rest []byte // the beginning of a character
}

func (w *textWatch) see(piece []byte) {
	if !w.is {
		return
	}
	p := append(w.rest, piece...) //nolint:gocritic // rest is at most three bytes, and is not used any more
	w.rest = nil
	for i := 0; i < len(p); {
		r, n := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && n == 1 && !utf8.FullRune(p[i:]) {
			w.rest = slices.Clone(p[i:])
			return
		}
		if r == utf8.RuneError && n == 1 || r < ' ' && !strings.ContainsRune("\t\n\r\f", r) || r == 0x7f {
			w.is = false
			return
		}
		i += n
	}
}

func (w *textWatch) end() bool { return w.is && len(w.rest) == 0 }

// pictures makes the pictures of an upload that is one, and notes its size in f. What only
// begins like a picture is a file like any other.
func (a *App) pictures(ctx context.Context, actor *Actor, in *spooled, f *store.File) ([]content, error) {
	if !picture.Is(in.head) || in.size > maxPicture {
		return nil, nil
	}
	var made []picture.Made
	err := a.inTurn(ctx, actor, func() (err error) {
		data := make([]byte, in.size)
		if _, err := io.ReadFull(in.file, data); err != nil {
			return err
		}
		made, f.Width, f.Height, err = picture.Fit(data, imageSide, thumbnailSide)
		return err
	})
	switch {
	case errors.Is(err, picture.ErrNoPicture):
		f.Type, f.Width, f.Height = binaryType, 0, 0
		return nil, nil
	case errors.Is(err, picture.ErrTooLarge):
		return nil, errorf(KindRejected, wording.ImageTooLarge, "Image too large: at most %d million pixels, fewer where each takes many bytes. Send a smaller"+
			" one, or put it into an archive", picture.MaxPixels/1_000_000)
	case err != nil:
		return nil, err
	}
	var all []content
	for i, kind := range []string{store.BlobImage, store.BlobThumbnail} {
		data := made[i].Encoded
		all = append(all, content{kind, made[i].Type, blob.Content{Reader: inMemory(data), Size: int64(len(data)), SHA256: sha256.Sum256(data)}})
	}
	return all, nil
}

// inTurn runs fn in the one slot in which pictures are decoded. One upload at a time asks
// for it, so that people's own pictures do not wait behind all of them.
func (a *App) inTurn(ctx context.Context, actor *Actor, fn func() error) error {
	first, err := a.limits.images.Acquire(ctx, limit.Asker{Address: actor.User.ID})
	if err != nil {
		return err
	}
	defer first()
	second, err := a.limits.pictures.Acquire(ctx, limit.Asker{Address: "files"})
	if err != nil {
		return err
	}
	defer second()
	return fn()
}
