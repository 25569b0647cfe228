package legacy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// realRun fills the configured database.
func realRun(ctx context.Context, cfg *config.Config, log *slog.Logger, o Options, p *plan) (err error) {
	f, err := app.OpenToFill(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	source, err := p.fingerprint(ctx)
	if err != nil {
		return err
	}
	pr, err := p.look(ctx, f.DB, source, o.settings(p))
	if err != nil {
		return err
	}
	if pr.Over {
		fmt.Fprintf(o.Out, "This school was imported on %s: nothing is left to do, and nothing was changed.\n\n", pr.Began.Format("2006-01-02 15:04 MST"))
		return print(o.Out, pr.Counts)
	}
	p.now = pr.Began
	if p.rules, err = app.NewImports(cfg, f.DB, log); err != nil {
		return err
	}
	if err := o.planned(ctx, p); err != nil {
		return err
	}
	if err := p.lacksKey(o); err != nil {
		return err
	}
	if err := begin(ctx, f.DB, log, pr); err != nil {
		return errors.Join(err, errHalf)
	}
	if err := p.fill(ctx, f.DB, pr, o); err != nil {
		return errors.Join(err, errHalf)
	}
	return nil
}

// errHalf is what a person is to know when an import fails after it has begun.
var errHalf = errors.New("the database has only a part now, and nothing serves it: run the import again with the same file, and it goes on; or begin with an empty database")

// fill does what is left to do.
func (p *plan) fill(ctx context.Context, db *store.DB, pr *progress, o Options) error {
	w := &writer{plan: p, db: db, pr: pr, told: func(what string, done, of int64) {
		o.Progress.Tell(fmt.Sprintf("%s: %d of %d", what, done, of))
	}}
	defer o.Progress.End()
	if p.replaced != nil && pr.Step == 0 && pr.Done == 0 {
		if err := db.InTx(ctx, func(tx *store.Tx) error { return tx.UnloadUser(ctx, p.replaced.ID) }); err != nil {
			return err
		}
	}
	if err := db.BeginLoadMessages(ctx); err != nil {
		return err
	}
	if err := w.run(ctx); err != nil {
		return err
	}
	if err := db.EndLoadMessages(ctx, func(what string, done, of int64) { w.told("making "+what+" again, part", done+1, of) }); err != nil {
		return err
	}
	return w.finish(ctx, o)
}

// look says where to go on, and changes nothing. The database is empty, or holds this import,
// whole or in part.
func (p *plan) look(ctx context.Context, db *store.DB, source, settings string) (*progress, error) {
	command, err := db.Unfinished(ctx)
	if err != nil {
		return nil, err
	}
	if command != "" && command != Command {
		return nil, store.OtherLoad(command)
	}
	pr, err := stored(ctx, db)
	switch {
	case err != nil:
		return nil, err
	case pr != nil && pr.Over:
		return pr, pr.same(source, settings)
	case command == "":
		accounts, err := db.CheckEmpty(ctx, p.now)
		if err != nil {
			return nil, err
		}
		pr = nil
		if accounts == 0 {
			break
		}
		if err := db.CheckSchema(ctx); err != nil {
			return nil, err // the account is read with the newest schema
		}
		if p.bootstrap, err = db.FirstAccount(ctx); err != nil {
			return nil, err
		}
	case pr != nil:
		if err := pr.same(source, settings); err != nil {
			return nil, err
		}
		return pr, p.account(ctx, db, pr)
	}
	if pr == nil {
		pr = &progress{Source: source, Settings: settings, Began: p.now}
	}
	if p.bootstrap != nil {
		pr.Kept = p.bootstrap.ID
	}
	return pr, nil
}

// begin marks the database as one that is being filled, and brings its schema up to date.
func begin(ctx context.Context, db *store.DB, log *slog.Logger, pr *progress) error {
	if err := db.BeginLoad(ctx, Command); err != nil {
		return err
	}
	if err := app.Migrate(ctx, db, log); err != nil {
		return err
	}
	return db.InTx(ctx, func(tx *store.Tx) error { return pr.save(ctx, tx) })
}

// account remembers the account that the first start has made.
func (p *plan) account(ctx context.Context, db *store.DB, pr *progress) error {
	if pr.Kept == "" {
		return nil
	}
	b, err := db.User(ctx, pr.Kept)
	if errors.Is(err, store.ErrNotFound) { // an imported account has taken its place
		return nil
	}
	p.bootstrap = b
	return err
}

// stored returns how far an import is, nil without one or without the whole schema.
func stored(ctx context.Context, db *store.DB) (*progress, error) {
	if err := db.CheckSchema(ctx); err != nil {
		if errors.Is(err, store.ErrSchemaOld) {
			return nil, nil //nolint:nilnil // CheckEmpty looks at what there is
		}
		return nil, err
	}
	return readProgress(ctx, db)
}

// finish checks that all of the plan is there, and opens the database.
func (w *writer) finish(ctx context.Context, o Options) error {
	if err := w.check(ctx); err != nil {
		return err
	}
	next := *w.pr
	next.Over, next.Counts = true, w.report.list()
	err := w.commit(ctx, next, func(tx *store.Tx) error {
		if err := tx.FinishLoad(ctx); err != nil {
			return err
		}
		return tx.EndLoad(ctx)
	})
	if err != nil {
		return err
	}
	if err := w.db.Analyze(ctx); err != nil {
		return err
	}
	fmt.Fprintln(o.Out)
	if err := print(o.Out, next.Counts); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "\nThe school is here. %d rows were left out, %d changed, %d want somebody to look at them.\n",
		w.report.kinds[leftOut], w.report.kinds[changed], w.report.kinds[decide])
	if o.Leftovers != "" {
		fmt.Fprintf(o.Out, "What has no place here is in %s.\n", o.Leftovers)
	}
	return nil
}

// check compares the numbers of rows with the plan.
func (w *writer) check(ctx context.Context) error {
	kept := int64(0)
	if w.bootstrap != nil {
		kept = 1
	}
	want := map[string]int64{"users": int64(len(w.users)) + kept, "avatars": int64(len(w.avatars)), "organizations": int64(len(w.orgs)),
		"organization_members": int64(len(w.orgMembers)), "projects": int64(len(w.projects)), "project_members": int64(len(w.members)),
		"courses": int64(len(w.courses)), "course_members": int64(len(w.enrolled)), "announcements": int64(len(w.notes)),
		"agent_types": int64(len(w.types) + len(shipped)), "user_keys": int64(len(w.keys)), "agents": int64(len(w.agents)),
		"agent_keys": int64(len(w.agentKeys)), "agent_versions": int64(len(w.versions)), "workflows": int64(len(w.workflows)),
		"rooms": int64(len(w.rooms) + len(w.threadRooms)), "room_members": int64(len(w.roomMembers)), "room_agents": int64(len(w.roomAgents)),
		"messages": w.messages + w.lines, "artifacts": int64(len(w.artifact)), "threads": int64(len(w.threads)), "reports": int64(len(w.reports))}
	got, err := w.db.Loaded(ctx, sortedKeys(want)...)
	if err != nil {
		return err
	}
	for _, table := range sortedKeys(want) {
		if got[table] != want[table] {
			return fmt.Errorf("the table %s has %d rows where %d were planned: the import is not finished; please report this", table, got[table], want[table])
		}
	}
	return nil
}
