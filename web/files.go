package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// formBytes is how much a form may have beside the file in it.
	formBytes = 64 << 10
	// uploadPause is how long the next bytes of an upload may take, and uploadTime all of
	// it: app gives up after that too.
	uploadPause = 30 * time.Second
	uploadTime  = 11 * time.Minute
)

// fileOut is a file as its uploader and its readers see it.
type fileOut struct {
	event.File
	RoomID     string    `json:"room_id" format:"uuid"`
	MessageID  *string   `json:"message_id" format:"uuid" doc:"null: no message shows it yet"`
	UploaderID *string   `json:"uploader_id" format:"uuid" doc:"null: account gone"`
	CreatedAt  time.Time `json:"created_at"`
}

func roomFileForm(f *store.File) fileOut {
	return fileOut{File: event.FileOf(f).At(), RoomID: f.RoomID, MessageID: nullable(f.MessageID), UploaderID: nullable(f.UploaderID),
		CreatedAt: instant(f.CreatedAt)}
}

type uploadIn struct {
	RoomID   id     `path:"room_id"`
	Name     string `query:"name" maxLength:"1000" doc:"Without it that of the form's part"`
	ClientID string `query:"client_id" maxLength:"64" doc:"Your name for the upload: sent again, it is stored once"`
}

type uploadedOut struct {
	Status int
	Body   fileOut
}

// uploadFile stores what the request brings.
func (s *Server) uploadFile(ctx context.Context, actor *app.Actor, in *uploadIn) (*uploadedOut, error) {
	out, err := s.takeFile(ctx, actor, in)
	var fe *fiber.Error
	if errors.As(err, &fe) { // of a body that is too large, or did not come whole
		return nil, newProblem(requestOf(ctx), fe.Code, fiberFault(fe.Code))
	}
	return out, err
}

// takeFile reads a file piece by piece from a form or as the whole body.
func (s *Server) takeFile(ctx context.Context, actor *app.Actor, in *uploadIn) (*uploadedOut, error) {
	up, err := s.app.BeginUpload(ctx, actor, in.RoomID.String(), in.ClientID)
	if err != nil {
		return nil, err
	}
	defer up.Close()
	// The deadline of requests is for those that work, not for those that send.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), uploadTime)
	defer cancel()
	c := fiberOf(ctx)
	body, err := s.upload(c)
	if err != nil {
		return nil, err
	}
	if f := up.Before(); f != nil {
		return &uploadedOut{Status: http.StatusOK, Body: roomFileForm(f)}, body.drain()
	}
	file, name, err := body.file(c.Get(fiber.HeaderContentType))
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		name = in.Name
	}
	f, dup, err := up.Receive(ctx, name, file)
	if err != nil {
		return nil, err
	}
	out := &uploadedOut{Status: http.StatusCreated, Body: roomFileForm(f)}
	if dup {
		out.Status = http.StatusOK
	}
	return out, nil
}

// uploadBody is the body of an upload, as it comes.
type uploadBody struct {
	in   *incoming
	conn net.Conn
	end  time.Time
	most int64
}

// upload begins to read the body of an upload. How much is declared only serves to refuse it
// at once.
func (s *Server) upload(c *fiber.Ctx) (*uploadBody, error) {
	in, _ := c.Context().UserValue(incomingKey{}).(*incoming)
	if in == nil {
		return nil, errNoFile
	}
	most := int64(s.cfg.Files.UploadLimit) + formBytes
	if int64(in.length) > most {
		return nil, s.app.FileTooLarge()
	}
	return &uploadBody{in: in, conn: c.Context().Conn(), end: time.Now().Add(uploadTime), most: most}, nil
}

var (
	errNoFile = &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "file: is missing, send it as the body, or in the part file of a form",
		Fields: []app.FieldError{{Field: "body.file", Message: "is missing, send it as the body, or in the part file of a form"}}}
	errTwoFiles = &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "file: is there more than once, send each file in a request of its own",
		Fields: []app.FieldError{{Field: "body.file", Message: "is there more than once, send each file in a request of its own"}}}
	errNoBoundary = &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "body: is a form without a boundary",
		Fields: []app.FieldError{{Field: "body", Message: "is a form without a boundary"}}}
	errFormCut = &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "body: is not a readable form",
		Fields: []app.FieldError{{Field: "body", Message: "is not a readable form"}}}
)

// Read reads the next bytes. Each piece gives the client more time, up to uploadTime.
func (b *uploadBody) Read(p []byte) (int, error) {
	if b.in.whole {
		return 0, io.EOF
	}
	until := time.Now().Add(uploadPause)
	if until.After(b.end) {
		until = b.end
	}
	if err := b.conn.SetReadDeadline(until); err != nil {
		b.in.broken = true
		return 0, unreadable(err)
	}
	n, err := b.in.stream.Read(p)
	b.in.read += n
	switch {
	case int64(b.in.read) > b.most:
		return 0, fiber.ErrRequestEntityTooLarge
	case b.in.endsWith(err), b.in.read == b.in.length:
		b.in.whole = true
		if n > 0 {
			err = nil
		}
	case err != nil:
		b.in.broken = true
		err = unreadable(err)
	}
	return n, err
}

// drain reads what is left, so that the connection can be kept and the client reads the
// answer.
func (b *uploadBody) drain() error {
	_, err := io.Copy(io.Discard, b)
	return err
}

// file is the file in the body, with its name if it comes with one.
func (b *uploadBody) file(contentType string) (io.Reader, string, error) {
	// Any other type, or none, is what a browser takes the file for: the body is the file.
	kind, params, _ := mime.ParseMediaType(contentType)
	if kind != fiber.MIMEMultipartForm {
		return b, "", nil
	}
	if params["boundary"] == "" {
		return nil, "", errNoBoundary
	}
	form := multipart.NewReader(b, params["boundary"])
	for range maxParts {
		part, err := form.NextRawPart()
		var own *fiber.Error
		switch {
		case errors.Is(err, io.EOF):
			return nil, "", errNoFile
		case errors.As(err, &own):
			return nil, "", own
		case err != nil:
			return nil, "", errFormCut
		case part.FormName() == "file":
			return formFile{form, part, b}, partName(part), nil
		}
	}
	return nil, "", errNoFile
}

// formFile says of a form that breaks off that the client has not sent it all. Its end is that
// of the form: a file is not stored before all has come, and not beside another one, which
// would be lost.
type formFile struct {
	form *multipart.Reader
	part *multipart.Part
	body *uploadBody
}

// Read reads the file in the part.
func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if errors.Is(err, io.EOF) {
		if err := f.alone(); err != nil {
			return n, err
		}
		return n, io.EOF
	}
	var own *fiber.Error
	if err != nil && !errors.As(err, &own) {
		err = errFormCut
	}
	return n, err
}

// alone reads the rest of the form, which must not hold another file.
func (f formFile) alone() error {
	for range maxParts {
		part, err := f.form.NextRawPart()
		if err != nil {
			break
		}
		if part.FormName() == "file" {
			return errTwoFiles
		}
	}
	return f.body.drain()
}

// partName is the name of the file in a part, as the client wrote it. FileName of package
// multipart leaves out what comes before a slash, also where it is no folder.
func partName(part *multipart.Part) string {
	_, named, err := mime.ParseMediaType(part.Header.Get(fiber.HeaderContentDisposition))
	if err != nil {
		return part.FileName()
	}
	return named["filename"]
}

// uploadForm describes the body of an upload.
func uploadForm() *huma.RequestBody {
	file := &huma.Schema{Type: huma.TypeString, Format: "binary"}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		fiber.MIMEMultipartForm: {Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{"file": file}}},
		fiber.MIMEOctetStream:   {Schema: file}}}
}

type roomFilesIn struct {
	RoomID id  `path:"room_id"`
	Before id  `query:"before" doc:"Only those before the one with this id"`
	Limit  int `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (s *Server) roomFiles(ctx context.Context, actor *app.Actor, in *roomFilesIn) (*pageOut[fileOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.File, error) {
		return s.app.RoomFiles(ctx, actor, in.RoomID.String(), in.Before.String(), in.Limit)
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, roomFileForm, before(in.Limit, func(f *store.File) string { return f.ID }))
}

func (s *Server) deleteFile(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.DeleteFile(ctx, actor, in.ID.String())
}
