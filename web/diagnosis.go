package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/doctor"
)

type diagnosisIn struct {
	Providers bool `query:"providers" doc:"Ask the providers about the stored keys too"`
}

type diagnosisOut struct{ Body doctor.DiagnosisOut }

func (s *Server) diagnosis(ctx context.Context, actor *app.Actor, in *diagnosisIn) (*diagnosisOut, error) {
	r, err := s.app.Diagnose(ctx, actor, in.Providers)
	if err != nil {
		return nil, err
	}
	return &diagnosisOut{r.In(requestOf(ctx).language())}, nil
}
