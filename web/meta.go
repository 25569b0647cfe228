package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// MetaOut is what a client has to know before anybody has signed in.
type MetaOut struct {
	SetUp     bool          `json:"set_up" doc:"false until there is a super admin"`
	SignUp    bool          `json:"sign_up" doc:"People make their own accounts, with a join code or an invitation"`
	Version   string        `json:"version"`
	Languages []string      `json:"languages" doc:"Of errors, the default first" example:"[\"en\",\"zh-TW\"]"`
	Timezone  *string       `json:"timezone" doc:"IANA name, for schedules; null: the machine's"`
	UTCOffset int           `json:"utc_offset_minutes" doc:"Now"`
	Providers []string      `json:"providers"`
	Protocols []string      `json:"protocols" doc:"Of a room's socket, the newest last"`
	Mine      []string      `json:"my_protocols" doc:"Of a person's socket"`
	Email     bool          `json:"email" doc:"false: people hand over links for passwords"`
	Features  []string      `json:"features" doc:"What a client may show"`
	Limits    metaLimitsOut `json:"limits"`
}

type metaLimitsOut struct {
	MessageBytes    int64 `json:"message_bytes"`
	ArtifactBytes   int64 `json:"artifact_bytes"`
	AvatarBytes     int64 `json:"avatar_bytes"`
	BodyBytes       int64 `json:"body_bytes" doc:"Of a request without a file"`
	FileBytes       int64 `json:"file_bytes"`
	FilesPerMessage int   `json:"files_per_message"`
	PersonFileBytes int64 `json:"person_file_bytes" doc:"All files of a person"`
	RoomFileBytes   int64 `json:"room_file_bytes"`
	Pins            int   `json:"pins" doc:"Of a room"`
	Bookmarks       int   `json:"bookmarks"`
	Emoji           int   `json:"emoji" doc:"Different ones on a message"`
	RestoreSeconds  int   `json:"restore_seconds" doc:"Of a deleted message"`
	MaxStreak       int   `json:"max_streak" doc:"Messages of agents in a row"`
	ApprovalSeconds int   `json:"approval_seconds" doc:"How long an agent waits for a decision"`
	DeletedDays     int   `json:"deleted_days" doc:"How long deleted things are kept; 0 is for ever"`
	EventsDays      int   `json:"events_days" doc:"How long a socket can resume; 0 is for ever"`
}

type metaOut struct {
	Status       int
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         MetaOut
}

func (s *Server) meta(ctx context.Context, c *fiber.Ctx, _ *struct{}) (*metaOut, error) {
	m, err := s.app.Meta(ctx)
	if err != nil {
		return nil, err
	}
	out := &metaOut{Status: http.StatusOK, CacheControl: "public, no-cache", Body: MetaOut{SetUp: m.SetUp, SignUp: m.SignUp, Version: s.api.OpenAPI().Info.Version,
		Timezone: nullable(m.Timezone), UTCOffset: m.UTCOffset, Providers: m.Providers, Protocols: []string{protocolV2},
		Mine: []string{protocolMe}, Email: m.Email, Features: m.Features, Limits: metaLimitsOut(m.Limits)}}
	for _, l := range m.Languages {
		out.Body.Languages = append(out.Body.Languages, string(l))
	}
	text, err := json.Marshal(out.Body)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	out.ETag = `"` + hex.EncodeToString(sum[:12]) + `"`
	if strings.Contains(c.Get(fiber.HeaderIfNoneMatch), out.ETag) {
		out.Status = http.StatusNotModified // which is sent without a body
	}
	return out, nil
}
