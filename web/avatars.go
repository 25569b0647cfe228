package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
)

// pathAvatar is the path of the pictures. Clients rely on its form.
const pathAvatar = pathStatic + "avatars/:file"

// FileIn is a form with one file in the part "file". It has the raw body because huma
// would trust the file type that the client declares.
type FileIn struct {
	RawBody []byte `contentType:"multipart/form-data"`
	file    []byte
}

// maxParts bounds how many parts of a form are read.
const maxParts = 20

// Resolve finds the part.
func (in *FileIn) Resolve(ctx huma.Context) []error {
	kind, params, err := mime.ParseMediaType(ctx.Header(fiber.HeaderContentType))
	if err != nil || kind != fiber.MIMEMultipartForm {
		return []error{&huma.ErrorDetail{Location: "body", Message: "must be a form, multipart/form-data"}}
	}
	if in.file, err = filePart(in.RawBody, params["boundary"]); err != nil {
		return []error{err}
	}
	return nil
}

// filePart returns the part "file" of a form. The result lies in body and overwrites its
// beginning: no limit would count a second copy of an upload.
func filePart(body []byte, boundary string) ([]byte, error) {
	bad := func(field, message string) error { return &huma.ErrorDetail{Location: field, Message: message} }
	if boundary == "" {
		return nil, bad("body", "must be a form, multipart/form-data")
	}
	src := bytes.NewReader(body)
	form := multipart.NewReader(src, boundary)
	for range maxParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, bad("body", "is not a readable form")
		}
		if part.FormName() != "file" {
			continue
		}
		file := body[:0]
		for err == nil {
			var n int
			n, err = part.Read(body[len(file) : len(body)-src.Len()]) // the reader is always ahead of what is written
			file = body[:len(file)+n]
		}
		if !errors.Is(err, io.EOF) {
			return nil, bad("body", "is not a readable form")
		}
		if _, named, err := mime.ParseMediaType(part.Header.Get(fiber.HeaderContentDisposition)); err == nil && named["filename"] == "" && len(file) == 0 {
			break // a browser sends an empty name when no file was chosen
		}
		return file, nil
	}
	return nil, bad("body.file", "is missing, send a part with this name")
}

// fileForm describes the form. huma sees only bytes.
func fileForm(doc string) *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{fiber.MIMEMultipartForm: {
		Schema: &huma.Schema{Type: huma.TypeObject, Required: []string{"file"}, Properties: map[string]*huma.Schema{
			"file": {Type: huma.TypeString, Format: "binary", Description: doc}}}}}}
}

func (s *Server) setAvatar(ctx context.Context, actor *app.Actor, in *FileIn) (*oneOut[userOut], error) {
	return oneUser(s.app.SetAvatar(ctx, actor, in.file))
}

func (s *Server) removeAvatar(ctx context.Context, actor *app.Actor, _ *empty) (*oneOut[userOut], error) {
	return oneUser(s.app.RemoveAvatar(ctx, actor))
}

// avatars registers the path of the pictures, which is not part of the API.
func (s *Server) avatars() {
	s.fiber.Get(pathAvatar, s.avatar)
	s.table = append(s.table, registered{get, fiberParam.ReplaceAllString(pathAvatar, "{$1}"), false, true})
}

// avatar sends a picture. A new picture has a new address, so a browser fetches each
// picture once.
func (s *Server) avatar(c *fiber.Ctx) error {
	name, extension, _ := strings.Cut(c.Params("file"), ".")
	if u, err := uuid.Parse(name); err != nil || u.String() != name {
		return fiber.ErrNotFound
	}
	ctx := c.UserContext()
	actor, err := s.app.Authenticate(ctx, accessToken(c))
	if err != nil {
		return err
	}
	requestOf(ctx).userID = actor.User.ID
	v, err := s.app.Avatar(ctx, actor, name)
	if err != nil {
		return err
	}
	if v.Extension != extension {
		return fiber.ErrNotFound
	}
	etag := `"` + v.ID + `"`
	c.Set(fiber.HeaderETag, etag)
	c.Set(fiber.HeaderCacheControl, "private, max-age=31536000, immutable")
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), etag) {
		return c.SendStatus(http.StatusNotModified)
	}
	c.Set(fiber.HeaderContentType, map[string]string{"jpg": "image/jpeg", "png": "image/png"}[v.Extension])
	return c.Send(v.Image)
}
