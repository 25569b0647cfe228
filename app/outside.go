package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// OutsideMessage is what an agent outside this program sends. Who it says it is does not
// matter: its token tells.
type OutsideMessage struct {
	ID            string // its own id for the message, with which nothing is stored twice; "" for none
	Type          string // one of a2a.Types
	To            string // broadcast, or the id of an agent in the room
	CorrelationID string // the id of the message that it answers, which was sent to it; "" for none
	Content       json.RawMessage
	RoomID        string
}

// OutsideReceipt tells the sender what became of its message.
type OutsideReceipt struct {
	MessageID  string // of the stored message or the answered question; of this call alone when nothing was stored
	Dispatched bool
	Problem    string // why nothing was stored
}

const (
	toBroadcast  = "broadcast"
	maxOutsideID = 200
)

// OutsideAgent returns the agent outside this program that calls with this id and this
// callback token.
func (a *App) OutsideAgent(ctx context.Context, id string, token secret.Text) (*store.Agent, error) {
	if strings.TrimSpace(id) == "" {
		return nil, errorf(KindRejected, wording.AgentIDMissing, "X-Agent-ID header required")
	}
	known, err := uuid.Parse(strings.TrimSpace(id))
	if err != nil {
		return nil, errorf(KindRejected, wording.AgentIDInvalid, "Invalid X-Agent-ID format")
	}
	ag, err := a.db.Agent(ctx, known.String())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	want := newCallbackToken() // nobody knows it, and comparing it takes the same time
	found := err == nil && ag.IsExternal
	if found {
		secrets, err := a.agents.secrets(ag)
		if err != nil {
			return nil, err
		}
		if s := secrets[secretCallback]; s != "" {
			want = secret.Text(s)
		}
	}
	mine, sent := sha256.Sum256([]byte(want.Reveal())), sha256.Sum256([]byte(token.Reveal()))
	equal := subtle.ConstantTimeCompare(mine[:], sent[:]) == 1
	switch {
	case !found:
		return nil, notFound("External agent")
	case !equal:
		return nil, errorf(KindUnauthenticated, wording.AgentTokenInvalid, "Invalid agent token")
	}
	if err := a.limits.outside.spend(ctx, ag.ID); err != nil {
		return nil, err
	}
	return ag, nil
}

// TakeOutside stores a message of an agent outside this program in one of its rooms. What
// keeps the agent from speaking there is in the receipt, and nothing is stored then. The
// same ID again gets the same receipt, or an error if anything else was sent with it.
func (a *App) TakeOutside(ctx context.Context, ag *store.Agent, in OutsideMessage) (*OutsideReceipt, error) {
	content, err := in.check(int(a.cfg.Limits.MessageBytes))
	if err != nil {
		return nil, err
	}
	digest := in.digest(content)
	if r, err := a.takenBefore(ctx, ag, &in, digest); r != nil || err != nil {
		return r, err
	}
	out := turn.Outside{Agent: ag, Content: content, Answers: in.CorrelationID}
	err = aimOutside(&out, &in)
	var taken turn.Taken
	if err == nil {
		taken, err = a.engine.TakeOutside(ctx, out, func(tx *store.Tx, taken turn.Taken) error {
			if in.ID == "" {
				return nil
			}
			sent := &store.OutsideMessage{AgentID: ag.ID, OutsideID: in.ID, Digest: digest, StepID: taken.StepID, CreatedAt: taken.At}
			if taken.Message != nil {
				sent.MessageID = taken.Message.ID
			}
			added, err := tx.CreateOutsideMessage(ctx, sent)
			if err == nil && !added {
				err = errPostedBefore
			}
			return err
		})
	}
	var not turn.NotTaken
	switch {
	case errors.Is(err, errPostedBefore):
		r, err := a.takenBefore(ctx, ag, &in, digest)
		if r == nil && err == nil { // its message was deleted at this moment
			err = errorf(KindConflict, wording.Stale, "id: try again")
		}
		return r, err
	case errors.As(err, &not):
		// The same message may have been taken at this moment, and has used up what it answers.
		if r, err := a.takenBefore(ctx, ag, &in, digest); r != nil || err != nil {
			return r, err
		}
		a.telemetry.OutsideMessage("in", "refused")
		return &OutsideReceipt{MessageID: store.NewID(), Problem: string(not)}, nil
	case err != nil:
		return nil, fromStore(err, "Room")
	}
	a.telemetry.OutsideMessage("in", "ok")
	m := taken.Message
	if m == nil {
		return &OutsideReceipt{MessageID: taken.StepID, Dispatched: true}, nil
	}
	a.telemetry.Posted(ctx, m.ID, m.RoomID, m.Seq)
	return &OutsideReceipt{MessageID: m.ID, Dispatched: true}, nil
}

// check refuses a message that cannot be read, and returns what it says.
func (in *OutsideMessage) check(most int) (string, error) {
	if !slices.Contains(a2a.Types, in.Type) {
		return "", invalid("type", "must be one of %s", strings.Join(a2a.Types, ", "))
	}
	if in.CorrelationID != "" {
		id, err := uuid.Parse(in.CorrelationID)
		if err != nil {
			return "", invalid("correlation_id", "must be a UUID, that of the message which this one answers, or left out")
		}
		in.CorrelationID = id.String()
	}
	if err := text("id", in.ID, 0, maxOutsideID); err != nil {
		return "", err
	}
	content := a2a.Text(in.Content)
	switch {
	case content == "":
		return "", invalid("content", "must not be empty")
	case len(content) > most:
		return "", errorf(KindTooLarge, wording.TooLarge, "content: has %d bytes, at most %d are possible", len(content), most)
	}
	return content, nil
}

// digest is of everything on which it depends what is stored.
func (in *OutsideMessage) digest(content string) string {
	sum := sha256.Sum256([]byte(store.ToJSON([]string{in.Type, in.To, in.CorrelationID, in.RoomID, content})))
	return hex.EncodeToString(sum[:])
}

// takenBefore returns the receipt of the message that the agent has sent with this id, or
// nil.
func (a *App) takenBefore(ctx context.Context, ag *store.Agent, in *OutsideMessage, digest string) (*OutsideReceipt, error) {
	if in.ID == "" {
		return nil, nil
	}
	before, err := a.db.OutsideMessage(ctx, ag.ID, in.ID)
	if err != nil {
		return nil, store.UnlessMissing(err)
	}
	if before.Digest != digest {
		return nil, errorf(KindConflict, wording.IDReused, "id: another message was sent with it before; send each message with an id of its own")
	}
	a.telemetry.OutsideMessage("in", "again")
	return &OutsideReceipt{MessageID: cmp.Or(before.MessageID, before.StepID), Dispatched: true}, nil
}

// aimOutside finds out where a message goes.
func aimOutside(out *turn.Outside, in *OutsideMessage) error {
	if in.RoomID != "" {
		id, err := uuid.Parse(in.RoomID)
		if err != nil {
			return turn.NotTaken("metadata.room_id: must be the id of a room")
		}
		out.RoomID = id.String()
	}
	if in.To != toBroadcast {
		id, err := uuid.Parse(in.To)
		if err != nil {
			return turn.NotTaken("Invalid recipient_id format: " + store.Cut(in.To, maxOutsideID))
		}
		out.To = id.String()
	}
	return nil
}

// peer tells how an agent outside this program is reached.
func (r *agentRules) peer(ag *store.Agent) (*turn.Peer, error) {
	secrets, err := r.secrets(ag)
	if err != nil {
		return nil, err
	}
	cfg := readExternal(ag.ExternalConfig)
	to, most := cfg.endpoint(secrets), maxEscape*int64(r.messageBytes)+maxEnvelope
	timeout := time.Duration(cfg.TimeoutMS) * time.Millisecond
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	ask := func(ctx context.Context, body []byte, at time.Time) (a2a.Answer, error) {
		return r.external.Deliver(ctx, a2a.Delivery{To: to, Key: secrets[secretCallback], Body: body, At: at, Most: most})
	}
	return &turn.Peer{Timeout: timeout, Fallback: cfg.FallbackMessage, Ask: ask}, nil
}

const (
	// maxEnvelope is how many bytes the answer of an agent may have besides its text.
	maxEnvelope = 16 << 10
	// maxEscape is how many bytes of JSON one byte of a text can take, as in \u003c.
	maxEscape = 6
)
