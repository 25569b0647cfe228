package blob

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// S3Config says where an S3-compatible store is.
type S3Config struct {
	// Endpoint is its address, such as https://s3.eu-central-1.amazonaws.com.
	Endpoint string
	Region   string
	Bucket   string
	// Prefix comes before each key.
	Prefix string
	// PathStyle puts the bucket into the path instead of the name of the host.
	PathStyle bool
	// Key says who asks. It is called for each request.
	Key func() (id, secret string)
	// Now is the clock. Signatures hold for some minutes.
	Now func() time.Time
}

// S3 keeps content in an S3-compatible store. It uses four requests of the protocol: PUT,
// GET, DELETE of an object, and HEAD of the bucket. A PUT has its length and its hash, so
// the store keeps either all of it or nothing; requests in parts are not needed.
type S3 struct {
	cfg    S3Config
	base   url.URL
	client *http.Client
	signer *v4.Signer
}

// NewS3 returns the store.
func NewS3(cfg S3Config) (*S3, error) {
	base, err := url.Parse(strings.TrimRight(cfg.Endpoint, "/"))
	if err != nil || base.Host == "" {
		return nil, errors.New("blob: the endpoint is not an address")
	}
	if cfg.PathStyle {
		base = base.JoinPath(cfg.Bucket)
	} else {
		base.Host = cfg.Bucket + "." + base.Host
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 60 * time.Second, IdleConnTimeout: 60 * time.Second,
		MaxIdleConnsPerHost: 16, DisableCompression: true, ForceAttemptHTTP2: true}
	return &S3{cfg: cfg, base: *base, signer: v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		// A redirect would carry the signature to another address, where it does not hold.
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// nothing is the SHA-256 of an empty body.
const nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// do sends a signed request. key is "" for the bucket itself.
func (s *S3) do(ctx context.Context, method, key, hash string, body io.Reader, size int64, header http.Header) (*http.Response, error) {
	at := s.base
	if key != "" {
		at = *at.JoinPath(s.cfg.Prefix + key)
	} else if at.Path == "" {
		at.Path = "/"
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if body != nil {
		req.ContentLength = size
	}
	req.Header.Set("X-Amz-Content-Sha256", hash)
	id, secret := s.cfg.Key()
	if err := s.signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, req, hash, "s3", s.cfg.Region, s.cfg.Now()); err != nil {
		return nil, err
	}
	return s.client.Do(req)
}

// Put sends the content in one request.
func (s *S3) Put(ctx context.Context, key string, c Content) error {
	var body io.Reader = http.NoBody
	if c.Size > 0 {
		body = io.NopCloser(c.Reader) // the caller closes it
	}
	res, err := s.do(ctx, http.MethodPut, key, hex.EncodeToString(c.SHA256[:]), body, c.Size, nil) //nolint:bodyclose // ended does
	return ended(res, err, http.StatusOK)
}

// Open asks for a range.
func (s *S3) Open(ctx context.Context, key string, offset, n int64) (io.ReadCloser, error) {
	header, want := http.Header{}, http.StatusOK
	if n > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
		want = http.StatusPartialContent
	}
	res, err := s.do(ctx, http.MethodGet, key, nothing, nil, 0, header) //nolint:bodyclose // ended does, or who reads
	if err != nil {
		return nil, err
	}
	if res.StatusCode != want && (res.StatusCode != http.StatusOK || offset > 0) {
		return nil, ended(res, nil, want)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, n), res.Body}, nil
}

// Delete removes the object. A store that keeps versions keeps them.
func (s *S3) Delete(ctx context.Context, key string) error {
	res, err := s.do(ctx, http.MethodDelete, key, nothing, nil, 0, nil) //nolint:bodyclose // ended does
	if err = ended(res, err, http.StatusNoContent, http.StatusOK); errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

// Check asks for the bucket.
func (s *S3) Check(ctx context.Context) error {
	res, err := s.do(ctx, http.MethodHead, "", nothing, nil, 0, nil) //nolint:bodyclose // ended does
	err = ended(res, err, http.StatusOK)
	if errors.Is(err, ErrGone) {
		return fmt.Errorf("%w: there is no bucket of this name", ErrRefused)
	}
	return err
}

// ended closes an answer and makes an error of one that has none of these statuses. Of the
// store's own text only the code is kept: others may quote what was signed.
func ended(res *http.Response, err error, want ...int) error {
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read, or nobody needs it
	var fault struct {
		Code string `xml:"Code"`
	}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // what is missing of it is missing in the error alone
	for _, status := range want {
		if res.StatusCode == status {
			return nil
		}
	}
	_ = xml.Unmarshal(text, &fault) // the same
	said := fmt.Errorf("blob: S3 answers %d %.40q", res.StatusCode, fault.Code)
	switch {
	case res.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrGone, said)
	case res.StatusCode == http.StatusInsufficientStorage, fault.Code == "QuotaExceeded", fault.Code == "XMinioStorageFull":
		return fmt.Errorf("%w: %w", ErrFull, said)
	case res.StatusCode/100 == 4 && res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusRequestTimeout,
		res.StatusCode/100 == 3:
		return fmt.Errorf("%w: %w", ErrRefused, said)
	}
	return said
}
