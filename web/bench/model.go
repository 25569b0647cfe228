//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
)

const (
	modelCalls   = 300 // in a round, one at a time
	modelStreams = 64
	modelTotal   = 10_000
)

// callTimes are the times of one call.
type callTimes struct{ first, whole time.Duration }

// benchModel compares package llm with an HTTP call that reads the lines of the stream
// and parses none. `go test -bench Call ./app/llm` does the same for each provider, with
// allocations.
func benchModel(l *lab) (err error) {
	provider, err := l.spawn(roleProvider, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.stop()) }()
	models, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{
		benchProvider: {Kind: llm.KindOpenAI, BaseURL: provider.addr + "/v1", DefaultModel: "bench", Keyless: true}}})
	if err != nil {
		return err
	}
	var cut atomic.Int64
	ours := func(ctx context.Context) (callTimes, error) { return ourCall(ctx, models, &cut) }
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: modelStreams}}
	bare := func(ctx context.Context) (callTimes, error) { return bareCall(ctx, client, provider.addr) }

	if err := provider.call("answer", providerArgs{Text: modelAnswer}, nil); err != nil {
		return err
	}
	one := &figure{name: "model call, p50", db: "-", unit: "ms", aim: aim{extraAtMost, 0.15}}
	for range l.rounds {
		if err := l.sampleCalls(one, 1, modelCalls, ours, bare, func(t callTimes) time.Duration { return t.whole }); err != nil {
			return err
		}
	}
	l.table.add(one)

	// At full speed this would measure the queue for the processor.
	if err := provider.call("answer", providerArgs{Text: modelAnswer, Wait: 100 * time.Millisecond}, nil); err != nil {
		return err
	}
	many := &figure{name: fmt.Sprintf("first token with %d streams, p50", modelStreams), db: "-", unit: "ms", aim: aim{extraAtMost, 1}}
	for range l.rounds {
		if err := l.sampleCalls(many, modelStreams, 8*modelStreams, ours, bare, func(t callTimes) time.Duration { return t.first }); err != nil {
			return err
		}
	}
	l.table.add(many)

	if err := provider.call("answer", providerArgs{Text: modelAnswer}, nil); err != nil {
		return err
	}
	cut.Store(0)
	times, cpu, err := l.calls(modelStreams, modelTotal, ours)
	if err != nil {
		return err
	}
	l.table.add(&figure{name: fmt.Sprintf("cut off of %d model calls", len(times)), db: "-", unit: "calls",
		got: []float64{float64(cut.Load())}, aim: aim{valueAtMost, 0}, cpu: []time.Duration{cpu}})
	return nil
}

func (l *lab) sampleCalls(f *figure, streams, n int, ours, bare func(context.Context) (callTimes, error), of func(callTimes) time.Duration) error {
	p50 := func(call func(context.Context) (callTimes, error)) (float64, time.Duration, error) {
		times, cpu, err := l.calls(streams, n, call)
		ds := make([]time.Duration, len(times))
		for i, t := range times {
			ds[i] = of(t)
		}
		return milliseconds(median(ds)), cpu, err
	}
	got, cpu, err := p50(ours)
	if err != nil {
		return err
	}
	floor, floorCPU, err := p50(bare)
	if err != nil {
		return err
	}
	f.got, f.floor = append(f.got, got), append(f.floor, floor)
	f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
	return nil
}

// calls makes n calls on several streams. cpu is this process's CPU for one call.
func (l *lab) calls(streams, n int, call func(context.Context) (callTimes, error)) (times []callTimes, cpu time.Duration, err error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	var taken atomic.Int64
	used := ownCPU()
	for range streams {
		all.Go(func() {
			for taken.Add(1) <= int64(n) {
				t, e := call(l.ctx)
				mu.Lock()
				times, err = append(times, t), errors.Join(err, e)
				mu.Unlock()
				if e != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return times, (ownCPU() - used) / time.Duration(n), err
}

func ourCall(ctx context.Context, models *llm.Models, cut *atomic.Int64) (t callTimes, err error) {
	start := time.Now()
	var text strings.Builder
	finish := ""
	for chunk, err := range models.Stream(ctx, llm.Request{Meter: llm.NoMeter{}, Provider: benchProvider, System: "You teach physics.",
		Messages: []llm.Message{{Role: llm.RoleUser, Name: "Ada", Text: "Why?"}}}) {
		if err != nil {
			return t, err
		}
		if t.first == 0 && chunk.Text != "" {
			t.first = time.Since(start)
		}
		text.WriteString(chunk.Text)
		finish = chunk.Finish
	}
	t.whole = time.Since(start)
	if text.String() != modelAnswer || finish != llm.FinishStop {
		cut.Add(1)
	}
	return t, nil
}

const bareBody = `{"model":"bench","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"system","content":"You teach physics."},{"role":"user","content":"Ada: Why?"}]}`

func bareCall(ctx context.Context, client *http.Client, addr string) (t callTimes, err error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, addr+"/v1/chat/completions", strings.NewReader(bareBody))
	if err != nil {
		return t, err
	}
	res, err := client.Do(req)
	if err != nil {
		return t, err
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewReader(res.Body)
	for {
		line, err := lines.ReadString('\n')
		if t.first == 0 && strings.Contains(line, `"content":"B`) {
			t.first = time.Since(start)
		}
		if err == io.EOF {
			t.whole = time.Since(start)
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}
