package llm_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// The floor: the same exchange by net/http alone, which reads the lines and understands none.
func bareCall(b *testing.B, client *http.Client, url, body string) (first, whole time.Duration) {
	b.Helper()
	start := time.Now()
	req, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if first == 0 && strings.Contains(line, `"content":"B`) {
			first = time.Since(start)
		}
		if err == io.EOF {
			return first, time.Since(start)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func streamCall(b *testing.B, m *llm.Models, r llm.Request) (first, whole time.Duration) {
	b.Helper()
	start := time.Now()
	for chunk, err := range m.Stream(b.Context(), r) {
		if err != nil {
			b.Fatal(err)
		}
		if first == 0 && chunk.Text != "" {
			first = time.Since(start)
		}
	}
	return first, time.Since(start)
}

// BenchmarkCall compares a call with the bare floor, one at a time and 64 at once.
func BenchmarkCall(b *testing.B) {
	const body = `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Why?"}]}`
	for _, streams := range []int{1, 64} {
		for _, what := range []string{"bare", "openai", "gemini"} {
			b.Run(fmt.Sprintf("%s/%d", what, streams), func(b *testing.B) {
				server := llmtest.New(b)
				resp := llmtest.Response{Text: "Because light scatters at small angles in the air."}
				if streams > 1 {
					// A closed loop at full speed would measure the queue for the processor.
					resp.Wait = 100 * time.Millisecond
				}
				server.Script(llmtest.Always(resp))
				m, err := llm.New(llm.Config{Providers: providersAt(server.URL)})
				if err != nil {
					b.Fatal(err)
				}
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
				type sample struct{ first, whole time.Duration }
				samples := make(chan sample, b.N)
				b.SetParallelism(max(streams/runtime.GOMAXPROCS(0), 1))
				work := func() {
					var s sample
					if what == "bare" {
						s.first, s.whole = bareCall(b, client, server.URL, body)
					} else {
						s.first, s.whole = streamCall(b, m, ask(what, "Why?"))
					}
					samples <- s
				}
				b.ReportAllocs()
				b.ResetTimer()
				if streams == 1 {
					for range b.N {
						work()
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							work()
						}
					})
				}
				b.StopTimer()
				close(samples)
				var firsts, wholes []time.Duration
				for s := range samples {
					firsts, wholes = append(firsts, s.first), append(wholes, s.whole)
				}
				slices.Sort(firsts)
				slices.Sort(wholes)
				b.ReportMetric(float64(firsts[len(firsts)/2].Microseconds()), "first-p50-us")
				b.ReportMetric(float64(wholes[len(wholes)/2].Microseconds()), "whole-p50-us")
			})
		}
	}
}
