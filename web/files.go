package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
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
	// downloadTime bounds a download. A client that takes longer asks for the rest with a
	// range.
	downloadTime = 30 * time.Minute
	// downloadBytes is about what a download takes in memory.
	downloadBytes = 512 << 10
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
		return nil, fiber.ErrRequestEntityTooLarge
	}
	return &uploadBody{in: in, conn: c.Context().Conn(), end: time.Now().Add(uploadTime), most: most}, nil
}

var (
	errNoFile = &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "file: is missing, send it as the body, or in the part file of a form",
		Fields: []app.FieldError{{Field: "body.file", Message: "is missing, send it as the body, or in the part file of a form"}}}
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
			return formFile{part, b}, partName(part), nil
		}
	}
	return nil, "", errNoFile
}

// formFile says of a form that breaks off that the client has not sent it all. Its end is that
// of the form: a file is not stored before all has come.
type formFile struct {
	part *multipart.Part
	body *uploadBody
}

// Read reads the file in the part.
func (f formFile) Read(p []byte) (int, error) {
	n, err := f.part.Read(p)
	if errors.Is(err, io.EOF) {
		if err := f.body.drain(); err != nil {
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

// sends documents that a route answers with content of a type.
func (s *Server) sends(path, mediaType string) {
	responses := s.api.OpenAPI().Paths[path].Get.Responses
	content := map[string]*huma.MediaType{mediaType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	for _, status := range []int{http.StatusOK, http.StatusPartialContent} {
		responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: content}
	}
	responses[strconv.Itoa(http.StatusNotModified)] = &huma.Response{Description: http.StatusText(http.StatusNotModified)}
}

// fileContentOut is an answer that is content and no JSON.
type fileContentOut struct{ Body func(huma.Context) }

// originalFile answers with what was uploaded, for saving alone: a browser never shows it
// here, so that nothing in it runs with the reader's rights.
func (s *Server) originalFile(ctx context.Context, actor *app.Actor, in *oneID) (*fileContentOut, error) {
	content, err := s.app.FileContent(ctx, actor, in.ID.String(), store.BlobOriginal)
	if err != nil {
		return nil, err
	}
	return s.download(ctx, content, func(h func(name, value string)) {
		h(fiber.HeaderContentType, downloadType(content.BlobType))
		h(fiber.HeaderContentDisposition, fileDisposition(content.Name))
	})
}

// imageOfFile answers with a picture that this server has made.
func (s *Server) imageOfFile(kind string) func(context.Context, *app.Actor, *oneID) (*fileContentOut, error) {
	return func(ctx context.Context, actor *app.Actor, in *oneID) (*fileContentOut, error) {
		content, err := s.app.FileContent(ctx, actor, in.ID.String(), kind)
		if err != nil {
			return nil, err
		}
		return s.download(ctx, content, func(h func(name, value string)) {
			h(fiber.HeaderContentType, content.BlobType)
			h(fiber.HeaderContentDisposition, "inline")
		})
	}
}

// download sends content, or the part of it that is asked for.
func (s *Server) download(ctx context.Context, content *app.FileContent, head func(func(name, value string))) (*fileContentOut, error) {
	request := requestOf(ctx)
	c := fiberOf(ctx)
	etag := `"` + content.BlobID + `"`
	headers := func(hc huma.Context, status int) {
		hc.SetHeader(fiber.HeaderETag, etag)
		// A reader who has lost the right reads nothing any more, not even from a cache.
		hc.SetHeader(fiber.HeaderCacheControl, "private, no-cache")
		hc.SetHeader(fiber.HeaderAcceptRanges, "bytes")
		hc.SetHeader(fiber.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
		head(hc.SetHeader)
		hc.SetStatus(status)
	}
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), etag) {
		return &fileContentOut{Body: func(hc huma.Context) { headers(hc, http.StatusNotModified) }}, nil
	}
	size := content.BlobSize
	from, n, ok := byteRange(c.Get(fiber.HeaderRange), size)
	if only := c.Get(fiber.HeaderIfRange); only != "" && only != etag {
		from, n, ok = 0, size, true
	}
	if !ok {
		p := newProblem(request, http.StatusRequestedRangeNotSatisfiable, &app.Error{Code: wording.RangeNotSatisfiable,
			Message: "The file is shorter; ask for a range within it"})
		p.header.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", size))
		return nil, p
	}
	if err := s.reserve(ctx, request, downloadBytes); err != nil {
		return nil, err
	}
	reading, cancel := context.WithTimeout(request.within(context.Background()), downloadTime)
	body, err := content.Open(reading, from, n)
	if err != nil {
		cancel()
		return nil, err
	}
	return &fileContentOut{Body: func(hc huma.Context) {
		status := http.StatusOK
		if n < size {
			hc.SetHeader(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, size))
			status = http.StatusPartialContent
		}
		headers(hc, status)
		inner := humafiber.Unwrap(hc).Context()
		inner.SetBodyStream(&downloading{ReadCloser: body, conn: inner.Conn(), ticket: request.ticket, cancel: cancel}, int(n))
		request.ticket = nil
	}}, nil
}

// downloading is the body of a download. Each piece gives the client more time, and the end
// gives back what the download has reserved.
type downloading struct {
	io.ReadCloser
	conn   net.Conn
	ticket *ticket
	cancel context.CancelFunc
	due    time.Time
}

// Read reads the next piece.
func (d *downloading) Read(p []byte) (int, error) {
	if now := time.Now(); now.After(d.due) {
		d.due = now.Add(streamWrite / 2)
		_ = d.conn.SetWriteDeadline(now.Add(streamWrite)) // an error means that the connection is closed
	}
	return d.ReadCloser.Read(p)
}

// Close is called when the answer is sent, or cannot be.
func (d *downloading) Close() error {
	err := d.ReadCloser.Close()
	d.cancel()
	if d.ticket != nil {
		d.ticket.done()
	}
	return err
}

// byteRange reads a header Range (RFC 9110, section 14). One range is understood; several,
// or another unit, mean the whole, as if there was no header. ok is false for one beyond
// the end.
func byteRange(header string, size int64) (from, n int64, ok bool) {
	spec, is := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !is || !dash || strings.Contains(spec, ",") {
		return 0, size, true
	}
	to := size - 1
	if last != "" {
		v, err := strconv.ParseUint(last, 10, 63)
		if err != nil {
			return 0, size, true
		}
		to = min(int64(v), size-1)
		if first == "" { // the last so many bytes
			return max(size-int64(v), 0), min(int64(v), size), v > 0
		}
	}
	v, err := strconv.ParseUint(first, 10, 63)
	if err != nil || last != "" && int64(v) > to && to < size-1 {
		return 0, size, true
	}
	if int64(v) >= size {
		return 0, 0, false
	}
	return int64(v), to - int64(v) + 1, true
}

// downloadType is the Content-Type of an original. What a browser might run is bytes.
func downloadType(kind string) string {
	switch {
	case kind == "image/svg+xml":
	case strings.HasPrefix(kind, "image/"), strings.HasPrefix(kind, "audio/"), strings.HasPrefix(kind, "video/"),
		kind == "application/pdf", kind == "application/zip", kind == "text/plain", kind == "text/csv":
		return kind
	}
	return fiber.MIMEOctetStream
}

// fileDisposition is the Content-Disposition of a file with this name (RFC 6266): in ASCII
// for every client, and in full in the encoding of RFC 5987.
func fileDisposition(name string) string {
	extension := path.Ext(name)
	ascii := asciiName(strings.TrimSuffix(name, extension))
	if ascii == "" {
		ascii = "file"
	}
	if extension = asciiName(extension); extension != "" {
		extension = "." + extension
	}
	full := strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	return fmt.Sprintf(`attachment; filename="%s%s"; filename*=UTF-8''%s`, ascii, extension, full)
}
