package store_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// BenchmarkPost is a post with its event on SQLite, from one writer and from several, each
// in a room of its own.
func BenchmarkPost(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("%dWriters", writers), func(b *testing.B) {
			db := storetest.Open(b, store.Options{URL: storetest.SQLite(b)})
			db.OnCommit(func([]store.Event) {})
			pupil, ctx := newUser("pupil"), b.Context()
			course := &store.Course{ID: store.NewID(), Title: "Course", OwnerID: pupil.ID, CreatedAt: at, Version: 1}
			rooms := make([]*store.Room, writers)
			err := db.InTx(ctx, func(tx *store.Tx) error {
				if err := tx.CreateUser(ctx, pupil); err != nil {
					return err
				}
				if err := tx.CreateCourse(ctx, course); err != nil {
					return err
				}
				for i := range rooms {
					rooms[i] = newRoom(course.ID)
					if err := tx.CreateRoom(ctx, rooms[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			next := make(chan struct{})
			var wg sync.WaitGroup
			before, began := cpu(b), time.Now()
			for _, room := range rooms {
				wg.Go(func() {
					for range next {
						m := &store.Message{ID: store.NewID(), RoomID: room.ID, SenderID: pupil.ID, ClientID: store.NewID(), Content: "Hello, all of you.", CreatedAt: time.Now()}
						e := &store.Event{ID: store.NewID(), RoomID: room.ID, Type: "message", Body: `{"id":"x"}`, CreatedAt: m.CreatedAt}
						ctx, cancel := context.WithTimeout(ctx, time.Minute)
						if err := db.InTx(ctx, func(tx *store.Tx) error {
							_, err := tx.AddMessage(ctx, m, e, store.Heard{})
							return err
						}); err != nil {
							b.Error(err)
						}
						cancel()
					}
				})
			}
			for b.Loop() {
				next <- struct{}{}
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "posts/s")
		})
	}
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
