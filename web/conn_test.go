package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// A hijacked connection does not keep the buffer that read its head, loses
// nothing that came behind that head, and leaves the buffer whole for others.
func TestSlim(t *testing.T) {
	t.Parallel()
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sizes := make(chan int, 2)
	srv := &fasthttp.Server{ReadBufferSize: headBytes, StreamRequestBody: true, ReduceMemoryUsage: true, Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(http.StatusSwitchingProtocols)
		ctx.Hijack(func(nc net.Conn) {
			br := headReader(nc)
			if br == nil {
				sizes <- 0
				return
			}
			grow := slim(nc)
			sizes <- br.Size()
			if _, err := io.CopyN(nc, nc, 4); err != nil {
				t.Error(err)
			}
			grow()
			sizes <- br.Size()
		})
	}}
	go func() { _ = srv.Serve(newDrainListener(plain.(*net.TCPListener))) }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	large := "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", headBytes-1024) + "\r\n\r\n"
	for range 5 {
		for _, along := range []bool{false, true} {
			c, err := new(net.Dialer).DialContext(t.Context(), "tcp", plain.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			sent := map[bool]string{true: large + "abcd", false: large}[along]
			if _, err := io.WriteString(c, sent); err != nil {
				t.Fatal(err)
			}
			got := bufio.NewReader(c)
			res, err := http.ReadResponse(got, nil)
			if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("got %v, %v", res, err)
			}
			_ = res.Body.Close()
			if size := <-sizes; size == 0 || !along && size >= 1024 {
				t.Errorf("the connection is read through %d bytes, want few", size)
			}
			if !along {
				if _, err := io.WriteString(c, "abcd"); err != nil {
					t.Fatal(err)
				}
			}
			if back, err := io.ReadAll(got); string(back) != "abcd" || err != nil {
				t.Errorf("got %q back, %v", back, err)
			}
			if size := <-sizes; size != headBytes {
				t.Errorf("a buffer of %d bytes is used again, want %d", size, headBytes)
			}
			_ = c.Close()
		}
	}
}
