//go:build unix

package main

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/uptrace/bun"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

type bareMessage struct {
	ID        string     `json:"id"`
	Seq       int64      `json:"seq"`
	Sender    string     `json:"sender"`
	SenderID  *string    `json:"sender_id"`
	Content   string     `json:"content"`
	AgentType *string    `json:"agent_type"`
	AgentID   *string    `json:"agent_id"`
	AgentName *string    `json:"agent_name"`
	TurnID    *string    `json:"turn_id"`
	CreatedAt time.Time  `json:"created_at"`
	State     string     `json:"state"`
	EditedAt  *time.Time `json:"edited_at"`
	Stopped   bool       `json:"stopped"`
	Truncated bool       `json:"truncated"`
}

func (b *bareLesson) history(c *fiber.Ctx) error {
	var rows []store.Message
	err := b.db.NewSelect().Model(&rows).Relation("Sender").Where("m.room_id = ?", c.Params("id")).
		Where("m.seq < ?", int64(math.MaxInt64)).OrderExpr("m.seq DESC").Limit(store.MaxLimit).Scan(c.UserContext())
	slices.Reverse(rows)
	return answerEach(c, rows, err, func(m *store.Message) bareMessage {
		return bareMessage{ID: m.ID, Seq: m.Seq, Sender: m.Sender.Name(), SenderID: orNull(m.SenderID), Content: m.Content,
			AgentType: orNull(m.AgentType), AgentID: orNull(m.AgentID), AgentName: orNull(m.AgentName), TurnID: orNull(m.TurnID),
			CreatedAt: m.CreatedAt.UTC(), State: "shown"}
	})
}

type bareArtifact struct {
	ID               string          `json:"id"`
	RoomID           string          `json:"room_id"`
	Type             string          `json:"type"`
	Title            string          `json:"title"`
	Content          json.RawMessage `json:"content"`
	ParentArtifactID *string         `json:"parent_artifact_id"`
	Version          int             `json:"version"`
	CreatedBy        *string         `json:"created_by"`
	LastModifiedBy   *string         `json:"last_modified_by"`
	CreatedAt        time.Time       `json:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at"`
}

func bareArtifactOf(f *store.Artifact) bareArtifact {
	return bareArtifact{f.ID, f.RoomID, f.Type, f.Title, json.RawMessage(f.Content), orNull(f.ParentID), f.Version, orNull(f.CreatedBy),
		orNull(f.ModifiedBy), f.CreatedAt.UTC(), f.UpdatedAt.UTC()}
}

func (b *bareLesson) artifacts(c *fiber.Ctx) error {
	var rows []store.Artifact
	err := b.db.NewSelect().Model(&rows).Where("af.room_id = ?", c.Params("id")).Where("af.deleted_at IS NULL").
		OrderExpr("af.created_at DESC, af.id DESC").Limit(store.MaxLimit).Scan(c.UserContext())
	return answerEach(c, rows, err, bareArtifactOf)
}

// nextSeq takes the number of a room's next event.
func nextSeq(ctx context.Context, tx bun.Tx, room string) (seq int64, err error) {
	err = tx.NewRaw("UPDATE rooms SET event_seq = event_seq + 1, looked_seq = event_seq + 1 WHERE id = ? RETURNING event_seq", room).Scan(ctx, &seq)
	return seq, err
}

// post writes the rows of a post: the room's number, the message and its event.
func (b *bareLesson) post(c *fiber.Ctx) error {
	var in struct {
		Text     string `json:"text"`
		ClientID string `json:"client_id"`
	}
	if err := c.BodyParser(&in); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	m := &store.Message{ID: store.NewID(), RoomID: c.Params("id"), SenderID: b.caller, ClientID: in.ClientID, Content: in.Text, CreatedAt: now}
	body, err := json.Marshal(event.Message{Sender: "Bench", SenderID: b.caller, Content: in.Text})
	if err != nil {
		return err
	}
	err = b.writer.RunInTx(c.UserContext(), nil, func(ctx context.Context, tx bun.Tx) (err error) {
		if m.Seq, err = nextSeq(ctx, tx, m.RoomID); err != nil {
			return err
		}
		if _, err = tx.NewInsert().Model(m).Exec(ctx); err != nil {
			return err
		}
		e := &store.Event{RoomID: m.RoomID, Seq: m.Seq, ID: m.ID, Type: event.TypeMessage, Body: store.JSON(body), CreatedAt: now}
		_, err = tx.NewInsert().Model(e).Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return c.Status(fiber.StatusCreated).JSON(struct {
		ID        string    `json:"id"`
		Seq       int64     `json:"seq"`
		RoomID    string    `json:"room_id"`
		ClientID  *string   `json:"client_id"`
		Content   string    `json:"content"`
		Sender    string    `json:"sender"`
		SenderID  string    `json:"sender_id"`
		CreatedAt time.Time `json:"created_at"`
	}{m.ID, m.Seq, m.RoomID, &m.ClientID, m.Content, "Bench", m.SenderID, now})
}

const bareVersion = `INSERT INTO artifact_versions (artifact_id, version, title, modified_by, modified_by_agent, updated_at, kept_at, content_bytes, content)
	SELECT id, version, title, modified_by, modified_by_agent, updated_at, ?, content_bytes, content FROM artifacts WHERE id = ?`

// save writes the rows of a save: the version before, the room's number, the artifact and
// its event.
func (b *bareLesson) save(c *fiber.Ctx) error {
	var in struct {
		Content json.RawMessage `json:"content"`
	}
	if err := c.BodyParser(&in); err != nil {
		return err
	}
	now, f := time.Now().UTC().Truncate(time.Microsecond), &store.Artifact{ID: c.Params("id")}
	err := b.writer.RunInTx(c.UserContext(), nil, func(ctx context.Context, tx bun.Tx) error {
		// Lock the room first, as the program does. Otherwise the two could wait for each
		// other.
		var room string
		if err := tx.NewRaw("SELECT room_id FROM artifacts WHERE id = ?", f.ID).Scan(ctx, &room); err != nil {
			return err
		}
		seq, err := nextSeq(ctx, tx, room)
		if err != nil {
			return err
		}
		if _, err := tx.NewRaw(bareVersion, now, f.ID).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewUpdate().Model(f).Set("content = ?", store.JSON(in.Content)).Set("content_bytes = ?", len(in.Content)).
			Set("version = version + 1").Set("event_seq = ?", seq).Set("modified_by = ?", b.caller).Set("updated_at = ?", now).
			Where("af.id = ?", f.ID).Returning("*").Exec(ctx); err != nil {
			return err
		}
		e := &store.Event{RoomID: room, Seq: seq, ID: store.NewID(), Type: event.TypeArtifactUpdate, Body: store.JSON(in.Content), CreatedAt: now}
		_, err = tx.NewInsert().Model(e).Exec(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(bareArtifactOf(f))
}
