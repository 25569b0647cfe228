package web

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"
)

// readyTimeout is shorter than the timeout of the usual probes.
const readyTimeout = 3 * time.Second

type healthOut struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func fine() *healthOut {
	out := new(healthOut)
	out.Body.Status = "ok"
	return out
}

// health answers as long as the process runs.
func (s *Server) health(context.Context, *fiber.Ctx, *empty) (*healthOut, error) { return fine(), nil }

// ready answers 503 when a part that requests need does not work. The code names the
// part.
func (s *Server) ready(ctx context.Context, _ *fiber.Ctx, _ *empty) (*healthOut, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := s.app.Ready(ctx); err != nil {
		return nil, err
	}
	return fine(), nil
}
