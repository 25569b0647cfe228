package web

import (
	"context"
	"fmt"
	"io"
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
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// downloadTime bounds a download. A client that takes longer asks for the rest with a
	// range.
	downloadTime = 30 * time.Minute
	// downloadBytes is about what a download takes in memory.
	downloadBytes = 512 << 10
)

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
