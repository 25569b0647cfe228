package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	studioui "github.com/coagent-studio/coagent/web/ui"
)

// maxHashed is the size up to which a file's ETag comes from its content. For a larger
// file it comes from size and time.
const maxHashed = 16 << 20

// ui is a built single-page client in the operator's folder. A path that matches no route
// and no file gets index.html; the client's own router finds the page (history mode).
type ui struct {
	root     *os.Root // follows no link out of the folder
	policy   string
	base     string // the path of the installation on its host
	isStudio bool   // a build of the studio: it has the pages that links of the program lead to
}

// openUI opens the folder, which must have an index.html.
func openUI(dir, policy, base string) (*ui, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("web.ui_dir: %s is no folder that can be read: build the client first, or leave the setting empty (%w)", dir, err)
	}
	if info, err := root.Stat(indexFile); err != nil || !info.Mode().IsRegular() {
		_ = root.Close()
		return nil, fmt.Errorf("web.ui_dir: %s has no %s: name the folder that the client was built into, often dist", dir, indexFile)
	}
	page, err := root.ReadFile(indexFile)
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("web.ui_dir: %w", err)
	}
	return &ui{root: root, policy: policy, base: base, isStudio: isStudioPage(page)}, nil
}

// serve answers a path that no route took. It returns fiber.ErrNotFound when the client
// has nothing there either.
func (u *ui) serve(c *fiber.Ctx, host string) error {
	at, err := url.PathUnescape(c.Path())
	if err != nil || isAPI(c.Path()) {
		return fiber.ErrNotFound
	}
	name := strings.Trim(at, "/")
	if !slices.Contains(pageMethods, c.Method()) {
		if u.has(name) {
			return notBy(c, pageMethods)
		}
		return fiber.ErrNotFound
	}
	if err := u.file(c, name, host); !errors.Is(err, fiber.ErrNotFound) {
		unlogged(c)
		return err
	}
	if !isPage(at) || !takesHTML(c) {
		return fiber.ErrNotFound
	}
	return u.index(c, host)
}

// isPage tells whether a path, unescaped, may be the address of a client's page. A missing
// script is none, nor are hidden files and segments without a name.
func isPage(at string) bool {
	return path.Ext(strings.Trim(at, "/")) == "" && !strings.HasPrefix(at, pathStatic) && !strings.Contains(at, "/.") && !strings.Contains(at, "//")
}

func (u *ui) index(c *fiber.Ctx, host string) error {
	if !u.isStudio {
		return u.file(c, indexFile, host)
	}
	// It is read each time: who works on the studio builds it anew beside the server.
	page, err := u.root.ReadFile(indexFile)
	if err != nil {
		return fiber.ErrNotFound
	}
	f, err := placed(&embedded{body: page}, u.base)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentSecurityPolicy, studioui.Policy)
	return f.send(c)
}

// has tells whether the folder has a file, packed or not.
func (u *ui) has(name string) bool {
	return isFileName(name) && slices.ContainsFunc(variants, func(v variant) bool {
		info, err := u.root.Stat(name + v.suffix)
		return err == nil && info.Mode().IsRegular()
	})
}

// isFileName accepts the names of the client's files. It refuses names that begin with a
// dot: editors and tools leave such files.
func isFileName(name string) bool {
	return fs.ValidPath(name) && !strings.ContainsAny(name, "\\\x00") && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
}

// file sends one file of the folder.
func (u *ui) file(c *fiber.Ctx, name, host string) error {
	if !isFileName(name) {
		return fiber.ErrNotFound
	}
	c.Vary(fiber.HeaderAcceptEncoding)
	for _, v := range variants {
		if v.encoding != "" && !acceptsEncoding(c, v.encoding) {
			continue
		}
		f, err := u.root.Open(name + v.suffix)
		if err != nil {
			continue
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			_ = f.Close()
			continue
		}
		if v.encoding != "" {
			c.Set(fiber.HeaderContentEncoding, v.encoding)
		}
		u.headers(c, name, host)
		return sendFile(c, f, info)
	}
	return fiber.ErrNotFound
}

type variant struct{ suffix, encoding string }

// variants are the forms in which a build may store a file, smallest first.
var variants = []variant{{".br", "br"}, {".gz", "gzip"}, {"", ""}}

func (u *ui) headers(c *fiber.Ctx, name, host string) {
	c.Set(fiber.HeaderContentType, contentType(name))
	c.Set(fiber.HeaderContentSecurityPolicy, policyFor(u.policy, host))
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if isHashed(name) {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
}

// sendFile sends a file and closes it. It sends the file in pieces, so that a client that
// does not read keeps little in memory.
func sendFile(c *fiber.Ctx, f *os.File, info fs.FileInfo) error {
	etag, err := fileTag(f, info)
	if err != nil || unchanged(c, etag) {
		_ = f.Close()
		return err
	}
	c.Context().SetBodyStream(f, int(info.Size()))
	return nil
}

// fileTag returns the ETag of a file and leaves the file at its beginning. The time alone
// is not enough: reproducible builds give all files the same time.
func fileTag(f *os.File, info fs.FileInfo) (string, error) {
	if info.Size() > maxHashed {
		return fmt.Sprintf(`"%x-%x"`, info.Size(), info.ModTime().UnixNano()), nil
	}
	hash := sha256.New()
	_, err := io.Copy(hash, f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", fmt.Errorf("read %s of the client: %w", f.Name(), err)
	}
	return quoteTag(hash.Sum(nil)), nil
}

// unchanged sets the ETag. It answers 304 to a client that has the file already, and then
// returns true.
func unchanged(c *fiber.Ctx, etag string) bool {
	c.Set(fiber.HeaderETag, etag)
	if !strings.Contains(c.Get(fiber.HeaderIfNoneMatch), etag) {
		return false
	}
	c.Status(http.StatusNotModified)
	return true
}

func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return quoteTag(sum[:])
}

func quoteTag(sum []byte) string { return `"` + hex.EncodeToString(sum[:12]) + `"` }

var (
	namedByHash = regexp.MustCompile(`[.-](?:([A-Za-z0-9_-]{8})|[0-9a-f]{16,64})\.\w+(?:\.map)?$`)
	aSize       = regexp.MustCompile(`^\d*x?\d+$`)
	inHost      = regexp.MustCompile(`^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?$`)
	withHost    = regexp.MustCompile(`\s[^\s;]*\{host\}[^\s;]*`)
)

// isHashed tells whether a build named the file by its content, for example
// assets/index-BfZ3HKv0.js, so that it never changes. Words, and sizes of pictures, of
// the same length are no hashes. Files at the top level are never hashed: builds copy
// them there under names that people chose.
func isHashed(name string) bool {
	m := namedByHash.FindStringSubmatch(name)
	if m == nil || !strings.Contains(name, "/") {
		return false
	}
	hash := m[1]
	return hash == "" || strings.ContainsAny(hash[1:], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") && !aSize.MatchString(hash)
}

// policyFor puts the host that the browser named into a policy. When that text could be
// more than a host, it removes the sources that name it.
func policyFor(policy, host string) string {
	if !inHost.MatchString(host) {
		return withHost.ReplaceAllString(policy, "")
	}
	return strings.ReplaceAll(policy, "{host}", host)
}

// kinds are the content types of a client's files. The machine's own table may lack them
// or say text/plain.
var kinds = map[string]string{
	".html": fiber.MIMETextHTMLCharsetUTF8, ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": fiber.MIMEApplicationJSON, ".map": fiber.MIMEApplicationJSON,
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".avif": "image/avif",
	".gif": "image/gif", ".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".wasm": "application/wasm",
	".webmanifest": "application/manifest+json", ".txt": "text/plain; charset=utf-8", ".xml": "text/xml; charset=utf-8",
}

// contentType returns the content type of a file by its name.
func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if kind, ok := kinds[ext]; ok {
		return kind
	}
	if kind := mime.TypeByExtension(ext); kind != "" {
		return kind
	}
	return fiber.MIMEOctetStream
}

// wantsHTML tells whether a browser opens an address, rather than a program.
func wantsHTML(c *fiber.Ctx) bool {
	return strings.Contains(c.Get(fiber.HeaderAccept), fiber.MIMETextHTML)
}

// takesHTML tells whether an answer may be a page. Link previews and uptime checks accept
// anything, or do not say.
func takesHTML(c *fiber.Ctx) bool { return c.Accepts(fiber.MIMETextHTML) != "" }

// acceptsEncoding reads Accept-Encoding as browsers write it.
func acceptsEncoding(c *fiber.Ctx, encoding string) bool {
	for item := range strings.SplitSeq(c.Get(fiber.HeaderAcceptEncoding), ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(item), ";")
		if strings.EqualFold(strings.TrimSpace(name), encoding) {
			w := strings.ReplaceAll(weight, " ", "")
			return w != "q=0" && !strings.HasPrefix(w, "q=0.0")
		}
	}
	return false
}
