//go:build unix

package main

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"time"
)

// roleFloor is the least that a server of sockets can do: for each connection a channel
// and a goroutine, which sends everything that waits with one writev.
const roleFloor = "floor"

// floorBatch is how many frames one write of the hub takes.
const floorBatch = 256

type floorServer struct {
	mu    sync.Mutex
	conns map[net.Conn]chan []byte
	echo  []byte // sent to every connection for any frame from one of them
}

func startFloor(json.RawMessage) (*service, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &floorServer{conns: map[net.Conn]chan []byte{}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			f.serve(c)
		}
	}()
	return &service{addr: ln.Addr().String(), stop: ln.Close,
		ops: map[string]func(json.RawMessage) (any, error){"burst": f.burst, "pace": f.pace, "echo": f.setEcho, "conns": f.count}}, nil
}

func (f *floorServer) serve(c net.Conn) {
	queue := make(chan []byte, 4096)
	f.mu.Lock()
	f.conns[c] = queue
	f.mu.Unlock()
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				f.mu.Lock()
				delete(f.conns, c)
				f.mu.Unlock()
				close(queue)
				return
			}
			f.send(1, nil)
		}
	}()
	go func() {
		frames := make([][]byte, 0, floorBatch)
		for frame := range queue {
			frames = append(frames[:0], frame)
			for len(queue) > 0 && len(frames) < floorBatch {
				frames = append(frames, <-queue)
			}
			batch := net.Buffers(frames)
			if _, err := batch.WriteTo(c); err != nil {
				return
			}
		}
	}()
}

// send queues a frame n times for every connection, one connection after the other. So
// most frames leave with one write. nil is the echo.
func (f *floorServer) send(n int, frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if frame == nil {
		frame = f.echo
	}
	for _, queue := range f.conns {
		for range n {
			queue <- frame
		}
	}
}

// floorArgs ask for frames.
type floorArgs struct {
	Frame  []byte
	Frames int
	Every  time.Duration
}

func (f *floorServer) burst(raw json.RawMessage) (any, error) {
	var a floorArgs
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	before := ownCPU()
	f.send(a.Frames, a.Frame)
	return before, nil
}

func (f *floorServer) pace(raw json.RawMessage) (any, error) {
	var a floorArgs
	if err := json.Unmarshal(raw, &a); err != nil {
		return nil, err
	}
	tick := time.NewTicker(a.Every)
	defer tick.Stop()
	before := ownCPU()
	for range a.Frames {
		f.send(1, a.Frame)
		<-tick.C
	}
	return ownCPU() - before, nil
}

func (f *floorServer) setEcho(raw json.RawMessage) (any, error) {
	return nil, json.Unmarshal(raw, &f.echo)
}

func (f *floorServer) count(json.RawMessage) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns), nil
}
