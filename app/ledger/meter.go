package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/price"
	"github.com/coagent-studio/coagent/store"
)

// OutcomeOK is the outcome of an attempt whose answer came to its end.
const OutcomeOK = "ok"

// outcomeAbandoned is the outcome of an attempt that nobody heard to its end.
const outcomeAbandoned = "abandoned"

// Meter books the attempts of one call.
func (l *Ledger) Meter(from Origin, key Key) llm.Meter { return &meter{l, from, key} }

type meter struct {
	ledger *Ledger
	from   Origin
	key    Key
}

// attempt is an attempt that is under way.
type attempt struct {
	usage store.Usage
	price *price.Price
	held  bool
	guess func() price.Tokens // what the request has, where the provider does not count
}

const (
	// bytesPerToken is for estimates: most texts have more bytes in a token.
	bytesPerToken = 3
	// mostBytesPerToken is for the least that an answer can have: no text has more bytes in
	// a token over its length.
	mostBytesPerToken = 16
)

// settleWithin bounds the end of the books of an attempt. The caller's context may have ended.
const settleWithin = 10 * time.Second

// Begin implements llm.Meter.
func (m *meter) Begin(ctx context.Context, w llm.Worst) (end func(llm.Metered), err error) {
	l, now := m.ledger, m.ledger.instant()
	a := &attempt{price: l.Prices.Find(w.Provider, w.Model, now), usage: store.Usage{ID: store.NewID(), Origin: m.from.Kind,
		TurnID: m.from.TurnID, AgentID: m.from.AgentID, RoomID: m.from.RoomID,
		ThreadID: m.from.ThreadID, ReportID: m.from.ReportID, CourseID: m.from.CourseID,
		ProjectID: m.from.ProjectID, PersonID: m.from.PersonID, KeyID: m.key.ID, KeyOwner: m.key.Owner, KeyKind: m.key.Kind,
		Provider: w.Provider, Model: w.Model, StartedAt: now, Day: now.In(l.Zone).Format(time.DateOnly)}}
	if a.price != nil {
		a.usage.Currency, a.usage.PriceVersion = a.price.Currency, a.price.Version
	}
	a.guess = func() price.Tokens { return price.Tokens{Input: int64(w.PromptTokens() / bytesPerToken)} }
	err = l.Background.Do(ctx, func() error { return l.reserve(ctx, a, w) })
	var no *Refused
	if errors.As(err, &no) {
		l.Count.BudgetRefused(no.Reason)
	}
	if err != nil {
		return nil, err
	}
	return func(done llm.Metered) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
		defer cancel()
		if err := l.Background.Do(ctx, func() error { return l.settle(ctx, a, done) }); err != nil {
			l.Log.ErrorContext(ctx, "what a model call used was not written", "usage", a.usage.ID, "held", a.held, "turn", a.usage.TurnID,
				"agent", a.usage.AgentID, "err", err)
		}
	}, nil
}

// scopes are what budgets of a call may be about.
func scopes(u *store.Usage) []store.Scope {
	all := []store.Scope{{Kind: store.ScopeKey, ID: u.KeyID}, {Kind: store.ScopePerson, ID: u.PersonID},
		{Kind: store.ScopeCourse, ID: u.CourseID}, {Kind: store.ScopeRoom, ID: u.RoomID}, {Kind: store.ScopeAgent, ID: u.AgentID}}
	return slices.DeleteFunc(all, func(s store.Scope) bool { return s.ID == "" })
}

// reserveTries is how often a reservation is tried again when the budgets changed while it
// was made.
const reserveTries = 4

// reserve holds the worst of an attempt in all of its budgets. Without a budget it only
// looks for them.
func (l *Ledger) reserve(ctx context.Context, a *attempt, w llm.Worst) error {
	for try := 1; ; try++ {
		starts := Starts(a.usage.StartedAt, l.Zone)
		budgets, err := l.DB.Budgets(ctx, scopes(&a.usage), starts)
		if err != nil || len(budgets) == 0 {
			return err
		}
		if err := l.weigh(a, w, budgets); err != nil {
			return err
		}
		err = l.DB.InTx(ctx, func(tx *store.Tx) error { return tx.Reserve(ctx, &a.usage, budgets) })
		if err == nil {
			a.held = true
			return nil
		}
		if !errors.Is(err, store.ErrShort) && !errors.Is(err, store.ErrReferenced) && !errors.Is(err, store.ErrStale) {
			return err
		}
		// Others may have used it up since it was read, or it was changed or deleted.
		if budgets, err = l.DB.Budgets(ctx, scopes(&a.usage), starts); err != nil {
			return err
		}
		if no := l.short(a, budgets); no != nil {
			return no
		}
		if try == reserveTries {
			return errors.New("the budgets of a call changed again and again while it was to be reserved")
		}
	}
}

// weigh sets what the attempt uses in the worst case, or says which budget cannot take it.
func (l *Ledger) weigh(a *attempt, w llm.Worst, budgets []store.BudgetNow) error {
	u := &a.usage
	answer := w.MaxTokens
	if answer == 0 && a.price != nil {
		answer = a.price.MaxOutput
	}
	what := w.Provider + "/" + w.Model
	for _, b := range budgets {
		switch {
		case answer == 0:
			return &Refused{Reason: NoLimit, Budget: b, what: what}
		case b.Unit != store.UnitTokens && u.Currency != b.Unit && (!w.Free || a.price != nil):
			return &Refused{Reason: NoPrice, Budget: b, what: what}
		}
	}
	u.State, u.Basis = store.UsageHeld, store.BasisWorst
	u.InputTokens, u.OutputTokens = int64(w.PromptTokens()), int64(answer)
	u.WorstTokens = u.InputTokens + u.OutputTokens
	if a.price != nil {
		u.WorstCost = a.price.Worst(u.InputTokens, u.OutputTokens)
	}
	u.Cost = u.WorstCost
	u.ExpiresAt = u.StartedAt.Add(l.Within)
	if no := l.short(a, budgets); no != nil {
		return no
	}
	return nil
}

// short returns the refusal of the budget that has too little left for an attempt, nil when
// all have enough. Of several it is the one that renews last.
func (l *Ledger) short(a *attempt, budgets []store.BudgetNow) error {
	var last *Refused
	for _, b := range budgets {
		worst := a.usage.WorstCost
		if b.Unit == store.UnitTokens {
			worst = a.usage.WorstTokens
		}
		if worst <= b.Left() {
			continue
		}
		no := &Refused{Reason: Empty, Budget: b, Worst: worst, what: a.usage.Provider + "/" + a.usage.Model}
		if worst <= b.Cap {
			no.RenewsAt = RenewsAt(b.Period, a.usage.StartedAt, l.Zone)
		}
		if last == nil || later(no.RenewsAt, last.RenewsAt) {
			last = no
		}
	}
	if last == nil {
		return nil
	}
	return last
}

// later compares two renewals, of which the zero one never comes.
func later(a, b time.Time) bool { return !b.IsZero() && (a.IsZero() || a.After(b)) }

// settle writes what an attempt used.
func (l *Ledger) settle(ctx context.Context, a *attempt, done llm.Metered) error {
	u := &a.usage
	if !done.Sent && !a.held {
		return nil // nobody bills it
	}
	l.count(a, done)
	u.State, u.ExpiresAt = store.UsageSettled, time.Time{}
	u.LatencyMS = max(l.Now().Sub(u.StartedAt).Milliseconds(), 0)
	if !a.held {
		return l.DB.InTx(ctx, func(tx *store.Tx) error { return tx.CreateUsage(ctx, u) })
	}
	var late bool
	err := l.DB.InTx(ctx, func(tx *store.Tx) (err error) {
		if done.Sent {
			late, err = tx.Settle(ctx, u)
		} else {
			late, err = tx.Unreserve(ctx, u)
		}
		return err
	})
	if err != nil {
		return err
	}
	if late {
		l.Log.WarnContext(ctx, "a model call was settled after it had expired", "usage", u.ID, "turn", u.TurnID, "agent", u.AgentID)
	}
	if u.Overrun && done.Sent {
		l.Count.UsageOverrun()
		l.Log.ErrorContext(ctx, "a model call used more than its worst case; its budgets are charged with all of it", "usage", u.ID,
			"provider", u.Provider, "model", u.Model, "tokens", u.InputTokens+u.OutputTokens, "held", u.WorstTokens)
	}
	if done.Sent {
		l.spent(ctx, u)
	}
	return nil
}

// worstOf is what a held call is charged with where the provider did not count its input or
// its output: what was held for that part, or more if the provider has told more so far, or
// if more was heard than the answer's limit allows.
func worstOf(told price.Tokens, held *store.Usage, input, output bool, heard int64) price.Tokens {
	if !input {
		told.Input = max(told.Input, held.InputTokens)
	}
	if !output {
		told.Output = max(told.Output, held.OutputTokens, heard/mostBytesPerToken)
	}
	return told
}

// count sets the numbers of an attempt that is over.
func (l *Ledger) count(a *attempt, done llm.Metered) {
	u := &a.usage
	u.Outcome = OutcomeOK
	switch {
	case done.Err != nil && done.Err.Kind == llm.Canceled:
		u.Outcome = outcomeAbandoned
	case done.Err != nil:
		u.Outcome = string(done.Err.Kind)
	}
	var told price.Tokens
	if r := done.Usage; r != nil {
		told = price.Tokens{Input: int64(r.PromptTokens), Output: int64(r.CompletionTokens), Cached: int64(r.CachedTokens),
			Written: int64(r.CacheWriteTokens)}.Bounded()
		u.ThinkingTokens = min(max(int64(r.ReasoningTokens), 0), told.Output)
	}
	cost := (*price.Price).Cost
	// No request has 0 tokens, and no answer with text in it. A provider that says so does
	// not count: many servers send zeros instead of nothing.
	whole := done.Usage != nil && done.Whole
	input, output := whole && told.Input > 0, whole && (told.Output > 0 || done.Bytes == 0)
	switch {
	case input && output:
		u.Basis = store.BasisReported
	case a.held:
		u.Basis = store.BasisWorst
		told = worstOf(told, u, input, output, int64(done.Bytes))
		cost = func(p *price.Price, n price.Tokens) int64 { return p.Worst(n.Input, n.Output) }
	default:
		u.Basis = store.BasisEstimate
		if told.Input = cmp.Or(told.Input, a.guess().Input); !output {
			told.Output = max(told.Output, int64((done.Bytes+bytesPerToken-1)/bytesPerToken))
		}
	}
	u.InputTokens, u.OutputTokens, u.CachedTokens, u.CacheWriteTokens = told.Input, told.Output, told.Cached, told.Written
	if a.price != nil {
		u.Cost = cost(a.price, told)
	}
	u.Overrun = a.held && (u.InputTokens+u.OutputTokens > u.WorstTokens || u.Cost > u.WorstCost)
}
