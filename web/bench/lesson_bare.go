//go:build unix

package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/coagent-studio/coagent/store"
)

// roleLesson serves a bare route for each call of a lesson.
const roleLesson = "lesson"

// lessonSite also names the person that the bare routes use for every caller.
type lessonSite struct {
	Site   site
	Caller string
}

// bareLesson reads and writes with bun and checks no identity.
type bareLesson struct {
	db, writer *bun.DB
	caller     string
}

func startLesson(raw json.RawMessage) (*service, error) {
	var s lessonSite
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	db, err := openBun(s.Site)
	if err != nil {
		return nil, err
	}
	b := &bareLesson{db: db, writer: db, caller: s.Caller}
	if strings.HasPrefix(s.Site.URL, "sqlite:") {
		lite, err := openLite(&database{dir: s.Site.Dir})
		if err != nil {
			return nil, err
		}
		b.writer = bun.NewDB(lite, sqlitedialect.New())
	}
	server := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true})
	v1 := server.Group("/api/v1")
	v1.Post("/login/test-token", b.whoami)
	v1.Get("/courses/", b.courses)
	v1.Get("/courses/:id", b.course)
	v1.Get("/courses/:id/members", b.members)
	v1.Get("/rooms/", b.rooms)
	v1.Get("/rooms/:id", b.room)
	v1.Get("/rooms/:id/agents", b.agents)
	v1.Get("/announcements/", b.announcements)
	v1.Get("/workspaces/:id/artifacts", b.artifacts)
	v1.Get("/chat/messages/:id", b.history)
	v1.Post("/rooms/:id/messages", b.post)
	v1.Put("/workspaces/artifacts/:id", b.save)
	return serveBare(server)
}

// answerEach answers with a list in its public form.
func answerEach[R, O any](c *fiber.Ctx, rows []R, err error, form func(*R) O) error {
	if err != nil {
		return err
	}
	out := make([]O, len(rows))
	for i := range rows {
		out[i] = form(&rows[i])
	}
	return c.JSON(out)
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (b *bareLesson) whoami(c *fiber.Ctx) error {
	u := new(store.User)
	if err := b.db.NewSelect().Model(u).Where("u.id = ?", b.caller).Limit(1).Scan(c.UserContext()); err != nil {
		return err
	}
	return c.JSON(struct {
		ID        string    `json:"id"`
		Email     string    `json:"email"`
		Username  *string   `json:"username"`
		FullName  *string   `json:"full_name"`
		Role      string    `json:"role"`
		AvatarURL *string   `json:"avatar_url"`
		IsActive  bool      `json:"is_active"`
		CreatedAt time.Time `json:"created_at"`
	}{u.ID, u.Email, u.Username, u.FullName, u.Role, u.AvatarURL, u.IsActive, u.CreatedAt.UTC()})
}

type bareCourse struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Description *string   `json:"description"`
	OwnerID     string    `json:"owner_id"`
	OwnerName   *string   `json:"owner_name"`
	CreatedAt   time.Time `json:"created_at"`
}

func bareCourseOf(r *store.Course) bareCourse {
	return bareCourse{r.ID, r.Title, r.Description, r.OwnerID, r.OwnerName, r.CreatedAt.UTC()}
}

func (b *bareLesson) courses(c *fiber.Ctx) error {
	var rows []store.Course
	linked := b.db.NewSelect().Model((*store.CourseMember)(nil)).Column("cm.course_id").Where("cm.user_id = ?", b.caller)
	err := b.db.NewSelect().Model(&rows).ColumnExpr("c.*").ColumnExpr("u.full_name AS owner_name").
		Join("JOIN users AS u ON u.id = c.owner_id").Where("c.owner_id = ? OR c.id IN (?)", b.caller, linked).
		OrderExpr("c.created_at DESC, c.id DESC").Limit(100).Scan(c.UserContext())
	return answerEach(c, rows, err, bareCourseOf)
}

func (b *bareLesson) course(c *fiber.Ctx) error {
	r := new(store.Course)
	if err := b.db.NewSelect().Model(r).Where("c.id = ?", c.Params("id")).Limit(1).Scan(c.UserContext()); err != nil {
		return err
	}
	return c.JSON(bareCourseOf(r))
}

type bareMember struct {
	UserID    string  `json:"user_id"`
	Email     string  `json:"email"`
	FullName  *string `json:"full_name"`
	AvatarURL *string `json:"avatar_url"`
	Role      string  `json:"role"`
}

func (b *bareLesson) members(c *fiber.Ctx) error {
	var rows []store.CourseMember
	err := b.db.NewSelect().Model(&rows).Relation("User").Where("cm.course_id = ?", c.Params("id")).
		OrderExpr("cm.created_at, cm.user_id").Limit(store.MaxLimit).Scan(c.UserContext())
	return answerEach(c, rows, err, func(r *store.CourseMember) bareMember {
		return bareMember{r.User.ID, r.User.Email, r.User.FullName, r.User.AvatarURL, r.Role}
	})
}

type bareRoom struct {
	ID                string    `json:"id"`
	CourseID          string    `json:"course_id"`
	Name              string    `json:"name"`
	Description       *string   `json:"description"`
	IsAIActive        bool      `json:"is_ai_active"`
	IsAnalyticsActive bool      `json:"is_analytics_active"`
	AIFrequency       float64   `json:"ai_frequency"`
	AIMode            string    `json:"ai_mode"`
	CreatedAt         time.Time `json:"created_at"`
}

func bareRoomOf(r *store.Room) bareRoom {
	return bareRoom{r.ID, r.CourseID, r.Name, r.Description, r.IsAIActive, r.IsAnalyticsActive, r.AIFrequency, r.AIMode, r.CreatedAt.UTC()}
}

func (b *bareLesson) rooms(c *fiber.Ctx) error {
	var rows []store.Room
	err := b.db.NewSelect().Model(&rows).Where("r.course_id = ?", c.Query("course_id")).OrderExpr("r.created_at, r.id").
		Limit(100).Scan(c.UserContext())
	return answerEach(c, rows, err, bareRoomOf)
}

func (b *bareLesson) room(c *fiber.Ctx) error {
	r := new(store.Room)
	if err := b.db.NewSelect().Model(r).Where("r.id = ?", c.Params("id")).Limit(1).Scan(c.UserContext()); err != nil {
		return err
	}
	return c.JSON(bareRoomOf(r))
}

// bareAgent is a room's agent as a student sees it. null is what the student may not
// know.
type bareAgent struct {
	ID             string   `json:"id"`
	ProjectID      *string  `json:"project_id"`
	Type           string   `json:"type"`
	Name           string   `json:"name"`
	Category       string   `json:"category"`
	ModelProvider  string   `json:"model_provider"`
	Model          *string  `json:"model"`
	SystemPrompt   *string  `json:"system_prompt"`
	Settings       *string  `json:"settings"`
	TriggerConfig  *string  `json:"trigger_config"`
	ScheduleConfig *string  `json:"schedule_config"`
	ContextWindow  int      `json:"context_window"`
	IsActive       bool     `json:"is_active"`
	ParentConfigID *string  `json:"parent_config_id"`
	IsTemplate     bool     `json:"is_template"`
	IsExternal     bool     `json:"is_external"`
	ExternalConfig *string  `json:"external_config"`
	Capabilities   []string `json:"capabilities"`
	CreatedBy      *string  `json:"created_by"`
	UpdatedAt      *string  `json:"updated_at"`
	MaskedAPIKey   *string  `json:"masked_api_key"`
	UserKeyIDs     []string `json:"user_key_ids"`
}

func (b *bareLesson) agents(c *fiber.Ctx) error {
	var rows []store.Agent
	err := b.db.NewSelect().Model(&rows).Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Where("ra.room_id = ?", c.Params("id")).OrderExpr("ra.created_at, a.id").Limit(store.DefaultLimit).Scan(c.UserContext())
	return answerEach(c, rows, err, func(a *store.Agent) bareAgent {
		return bareAgent{ID: a.ID, Type: a.Type, Name: a.Name, Category: a.Category, IsActive: a.IsActive, IsExternal: a.IsExternal,
			Capabilities: []string{}, UserKeyIDs: []string{}}
	})
}

type bareAnnouncement struct {
	ID        string    `json:"id"`
	CourseID  string    `json:"course_id"`
	AuthorID  *string   `json:"author_id"`
	Title     string    `json:"title"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (b *bareLesson) announcements(c *fiber.Ctx) error {
	var rows []store.Announcement
	err := b.db.NewSelect().Model(&rows).Where("an.course_id = ?", c.Query("course_id")).
		OrderExpr("an.created_at DESC, an.id DESC").Limit(store.MaxLimit).Scan(c.UserContext())
	return answerEach(c, rows, err, func(r *store.Announcement) bareAnnouncement {
		return bareAnnouncement{r.ID, r.CourseID, orNull(r.AuthorID), r.Title, r.Content, r.CreatedAt.UTC(), r.UpdatedAt.UTC()}
	})
}
