package web

import (
	"log/slog"
	"testing"
	"time"
)

func TestAccessLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		took, slow time.Duration
		want       slog.Level
	}{
		{200, time.Millisecond, time.Second, slog.LevelDebug}, {404, time.Millisecond, time.Second, slog.LevelDebug},
		{200, time.Second, time.Second, slog.LevelInfo}, {200, time.Hour, 0, slog.LevelDebug},
		{500, time.Millisecond, time.Second, slog.LevelWarn}, {503, time.Hour, 0, slog.LevelWarn},
	} {
		if got := accessLevel(c.status, c.took, c.slow); got != c.want {
			t.Errorf("%d after %s of %s: got %v, want %v", c.status, c.took, c.slow, got, c.want)
		}
	}
}
