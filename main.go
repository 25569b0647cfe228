// Command coagent is CoAgent Studio as one program: rooms in which a class and
// several AI agents talk and work together in real time.
//
// This file is the command tree and nothing else; what runs is web.Start, and
// package app explains the program.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // time zones work on machines and in containers that have none

	"github.com/alecthomas/kong"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/legacy"
	"github.com/coagent-studio/coagent/app/price"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/app/terminal"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web"
)

// version is set by the build (-ldflags "-X main.version=...").
var version = "dev"

type cli struct {
	Config string         `short:"c" placeholder:"FILE" help:"YAML file (default: coagent.yaml in the working folder, if there is one)."`
	cfg    *config.Config // what load has read last

	Set []string `sep:"none" placeholder:"PATH=VALUE" help:"One setting, above every other source, for example --set log.level=debug."`

	Serve       serveCmd       `cmd:"" help:"Serve the studio, its API and its sockets; works jobs off too."`
	Worker      workerCmd      `cmd:"" help:"Work jobs off on one more node (Postgres only)."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database to this version's schema, or show where it stands."`
	SeedAdmin   seedAdminCmd   `cmd:"" help:"Make a super admin; the password is asked for, or comes from COAGENT_PASSWORD or standard input."`
	SeedDemo    seedDemoCmd    `cmd:"" help:"Make a demo course with a room, two agents and one user of each role."`
	SetPassword setPasswordCmd `cmd:"" help:"Set somebody's password and sign them out everywhere; it is asked for, or comes from COAGENT_PASSWORD or standard input."`
	Import      importCmd      `cmd:"" name:"import-legacy" help:"Move a school over from the Python system: its database and its uploaded pictures, into an empty database."`
	Users       usersCmd       `cmd:"" help:"List the accounts with their roles, and look after them."`
	Keys        keysCmd        `cmd:"" help:"The keys that encrypt stored secrets: with which of them what is encrypted, and encrypting all anew."`
	ShowConfig  configCmd      `cmd:"" name:"config" help:"Print the settings in effect, with *** for secrets."`
	Backup      backupCmd      `cmd:"" help:"Write the whole school into one file, also while it is served."`
	Restore     restoreCmd     `cmd:"" help:"Fill an empty database, SQLite or Postgres, from a backup."`
	Verify      verifyCmd      `cmd:"" help:"Check that nothing of a backup is missing or changed."`
	Prices      pricesCmd      `cmd:"" help:"Prices of models, for the usage and for budgets in money."`
	Doctor      doctorCmd      `cmd:"" help:"Examine this installation: configuration, disks, database, queue, accounts, proxy. Exits 0 when all is well, 1 on a fault, 2 on warnings alone."`
	Health      healthCmd      `cmd:"" help:"Ask a running server whether it is ready; exits 1 when it is not."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

func main() {
	var c cli
	parsed := kong.Parse(&c, kong.Name("coagent"), kong.UsageOnError(),
		kong.Description("Rooms in which a class and AI agents talk and work together."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	parsed.BindTo(ctx, (*context.Context)(nil))
	err := parsed.Run(&c)
	stop()
	var code exitCode
	if errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "coagent:", app.Explain(app.FullAt(c.cfg, err)))
		os.Exit(1)
	}
}

// exitCode ends the program with a code of its own; what there is to say has been said.
type exitCode int

// Error is for whoever prints it all the same.
func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// read reads the configuration, and what is to be noted about it.
func (c *cli) read(overrides map[string]string) (*config.Config, []string, error) {
	flags := map[string]string{}
	for _, one := range c.Set {
		path, value, found := strings.Cut(one, "=")
		if path = strings.TrimSpace(path); !found || path == "" {
			return nil, nil, fmt.Errorf("--set takes PATH=VALUE, such as log.level=debug, and not %q", path)
		}
		flags[path] = value
	}
	for path, value := range overrides {
		if value != "" {
			flags[path] = value
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	return config.Load(config.Sources{File: c.Config, Env: os.Environ(), Dir: dir, Flags: flags})
}

// load reads the configuration and makes the logger; notices are logged.
func (c *cli) load(overrides map[string]string) (*config.Config, *slog.Logger, error) {
	cfg, notices, err := c.read(overrides)
	if err != nil {
		return nil, nil, err
	}
	c.cfg = cfg
	log, err := logger(cfg, os.Stderr)
	if err != nil {
		return nil, nil, err
	}
	for _, n := range notices {
		log.Warn("configuration", "notice", n)
	}
	return cfg, log, nil
}

func logger(cfg *config.Config, to io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		return nil, err
	}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: level})), nil
	}
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level})), nil
}

// alsoToFile makes a logger that writes into log.file as well as log does. end is told why
// the command ends; the file gets that too, since the terminal is told elsewhere. A file that
// cannot be written is no reason not to serve.
func alsoToFile(cfg *config.Config, log *slog.Logger) (both *slog.Logger, end func(error)) {
	none := func(error) {}
	if cfg.Log.File == "" {
		return log, none
	}
	l := cfg.Log
	file, err := telemetry.LogFile{Path: l.File, Bytes: int64(l.FileBytes), Keep: l.FileKeep, Days: l.FileDays}.Open()
	if err != nil {
		log.Warn("log.file cannot be written, so it gets nothing", "err", err)
		return log, none
	}
	only, err := logger(cfg, file)
	if err != nil {
		return log, none
	}
	if both, err = logger(cfg, telemetry.Tee{os.Stderr, file}); err != nil {
		return log, none
	}
	return both, func(err error) {
		if err != nil {
			only.Error("coagent has ended", "err", app.Explain(err))
		}
		_ = file.Close() // there is nobody left to tell
	}
}

// database runs fn on the configured database as it is.
func (c *cli) database(ctx context.Context, fn func(*store.DB, *slog.Logger) error) (err error) {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	db, err := app.OpenDB(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db, log)
}

// opened runs fn on an App that neither serves nor works.
func (c *cli) opened(ctx context.Context, fn func(*app.Opened) error) (err error) {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	o, err := app.Open(ctx, cfg, log, app.Mode{})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, o.Stop(context.WithoutCancel(ctx)), o.Close())
	}()
	return fn(o)
}

type serveCmd struct {
	Addr  string `placeholder:"HOST:PORT" help:"Address to listen on; 0.0.0.0:8000 lets a class reach it."`
	UIDir string `name:"ui-dir" placeholder:"FOLDER" help:"Built single-page client to serve at / instead of the studio."`
}

// Run serves until a signal, then drains within the deadline.
func (s *serveCmd) Run(ctx context.Context, c *cli) (err error) {
	cfg, log, err := c.load(map[string]string{"http.addr": s.Addr, "web.ui_dir": s.UIDir})
	if err != nil {
		return err
	}
	log, ended := alsoToFile(cfg, log)
	defer func() { ended(err) }()
	r, err := web.Start(ctx, cfg, log, version)
	if err != nil {
		return err
	}
	withdraw, err := app.NoteServing(cfg, web.ListensAt(r.Addr)[0], version)
	if err != nil {
		// A folder that cannot be written to is no reason not to serve on Postgres.
		log.Debug("other commands will not find this server by its folder", "err", err)
		withdraw = func() {}
	}
	defer withdraw()
	if err := greet(ctx, cfg, r); err != nil {
		log.Warn("the demo's accounts cannot be told", "err", err)
	}
	err = r.Wait(ctx)
	log.Info("stopping")
	end, cancel := context.WithTimeout(context.Background(), cfg.HTTP.ShutdownTimeout)
	defer cancel()
	return errors.Join(err, r.Stop(end))
}

// greet tells the person at the terminal where to go.
func greet(ctx context.Context, cfg *config.Config, r *web.Running) error {
	urls := web.Addresses(cfg, r.Addr)
	fmt.Printf("\ncoagent %s is ready at %s\n", version, urls[0])
	for _, u := range urls[1:] {
		fmt.Println("  a class in the same network reaches it at " + u)
	}
	if r.SetupToken != "" {
		fmt.Printf("There is no admin yet. Open this link once to make the first one:\n  %s/setup?token=%s\n", urls[0], r.SetupToken)
	}
	demo, err := r.App.Operator().DemoFile(ctx)
	if demo != "" {
		fmt.Printf("Sign in with a demo account; user names and passwords are in %s\n", demo)
	}
	fmt.Println()
	return err
}

type workerCmd struct{}

// Run works jobs off until a signal, then drains within the deadline.
func (workerCmd) Run(ctx context.Context, c *cli) error {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	o, err := app.Open(ctx, cfg, log, app.Mode{Work: true, Version: version})
	if err != nil {
		return err
	}
	internal, err := web.ServeInternal(ctx, cfg.HTTP.InternalAddr, log, o.App)
	if err != nil {
		return errors.Join(err, o.Close())
	}
	if err := o.Start(ctx); err != nil {
		return errors.Join(err, o.Close(), internal.Stop(ctx))
	}
	log.Info("worker ready", "version", version, "turns", cfg.Jobs.TurnWorkers, "others", cfg.Jobs.Workers)
	<-ctx.Done()
	log.Info("stopping")
	end, cancel := context.WithTimeout(context.Background(), cfg.HTTP.ShutdownTimeout)
	defer cancel()
	return errors.Join(o.Stop(end), o.Close(), internal.Stop(end))
}

type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Migrate to this version's schema; a second one waits for the first."`
	Status migrateStatusCmd `cmd:"" help:"List the migrations and when they were applied."`
}

type migrateUpCmd struct{}

// Run migrates ours, then the job queue's tables.
func (migrateUpCmd) Run(ctx context.Context, c *cli) error {
	return c.database(ctx, func(db *store.DB, log *slog.Logger) error {
		if err := app.MigrateAlone(ctx, db, log); err != nil {
			return err
		}
		fmt.Println("the schema is up to date")
		return nil
	})
}

type migrateStatusCmd struct{}

// Run prints one line for each migration.
func (migrateStatusCmd) Run(ctx context.Context, c *cli) error {
	return c.database(ctx, func(db *store.DB, _ *slog.Logger) error {
		all, err := db.Migrations(ctx)
		for _, m := range all {
			applied := "not applied"
			if !m.AppliedAt.IsZero() {
				applied = "applied " + m.AppliedAt.Format(time.RFC3339)
			}
			fmt.Printf("%-40s %s\n", m.Name, applied)
		}
		return err
	})
}

type seedAdminCmd struct {
	Login string `arg:"" help:"E-mail (the user name is then admin) or a plain name that serves as both."`
}

// Run makes a super admin.
func (s *seedAdminCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		password, err := readPassword()
		if err != nil {
			return err
		}
		u, made, err := o.Operator().SeedAdmin(ctx, s.Login, password)
		switch {
		case err != nil:
			return err
		case made:
			fmt.Println("made the super admin", u.Email)
		default:
			fmt.Printf("%s is a super admin already, and keeps its password; change that with: coagent set-password %s\n", u.Email, u.Email)
		}
		return nil
	})
}

type seedDemoCmd struct{}

// Run makes the demo once.
func (seedDemoCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		d, err := o.Operator().SeedDemo(ctx)
		switch {
		case err != nil:
			return err
		case d.Fresh:
			fmt.Println("made the demo course; its accounts are in", d.File)
		case d.File == "":
			fmt.Println("the demo course is there already, and its passwords were changed; set one with: coagent set-password NAME")
		default:
			fmt.Println("the demo course is there already; its accounts are in", d.File)
		}
		return nil
	})
}

type setPasswordCmd struct {
	Login string `arg:"" help:"E-mail or user name of the account."`
}

// Run sets somebody's password.
func (s *setPasswordCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		password, err := readPassword()
		if err != nil {
			return err
		}
		if err := o.Operator().SetPassword(ctx, s.Login, password); err != nil {
			return err
		}
		fmt.Printf("set the password of %s, who is signed out everywhere\n", s.Login)
		return nil
	})
}

type usersCmd struct {
	List           usersListCmd      `cmd:"" default:"withargs" help:"List the accounts with their roles."`
	ResetTwoFactor resetTwoFactorCmd `cmd:"" help:"End the two-factor sign-in of somebody who has lost the phone, and sign them out everywhere."`
}

type resetTwoFactorCmd struct {
	Login string `arg:"" help:"E-mail or user name of the account."`
}

// Run resets somebody's two-factor sign-in.
func (r *resetTwoFactorCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		if err := o.Operator().ResetTwoFactor(ctx, r.Login); err != nil {
			return err
		}
		fmt.Printf("%s signs in with the password alone, and is signed out everywhere\n", r.Login)
		return nil
	})
}

// readPassword takes a password from the environment, a person at the terminal, or one line
// of standard input; an argument would show in the list of processes.
func readPassword() (string, error) {
	if p := os.Getenv(config.EnvPassword); p != "" {
		return p, nil
	}
	return terminal.NewPassword(os.Stdin, os.Stderr)
}

type usersListCmd struct {
	Role string `placeholder:"ROLE" enum:",guest,student,ta,teacher,admin,super_admin" default:"" help:"Only accounts with this role."`
	Text string `placeholder:"TEXT" help:"Only accounts with this in the e-mail, the user name or the name."`
	JSON bool   `name:"json" help:"Print them for a program, one on each line."`
}

// Run lists the accounts.
func (u *usersListCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		n, err := o.Operator().Users(ctx, os.Stdout, store.UserFilter{Role: u.Role, Text: u.Text}, u.JSON)
		if err == nil && n == 0 {
			fmt.Fprintln(os.Stderr, "there is no such account")
		}
		return err
	})
}

type keysCmd struct {
	Status keysStatusCmd `cmd:"" help:"Count the stored secrets by the key that encrypts them; changes nothing."`
	Rotate keysRotateCmd `cmd:"" help:"Encrypt everything anew with the first of auth.encryption_keys, beside a running server; run it again after a stop."`
}

type keysStatusCmd struct {
	JSON bool `name:"json" help:"Print it for a program."`
}

// Run counts the stored secrets by their keys.
func (k *keysStatusCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		report, err := o.Operator().Keys(ctx)
		return tellKeys(report, err, k.JSON, false)
	})
}

type keysRotateCmd struct {
	JSON bool `name:"json" help:"Print the report for a program."`
}

// Run encrypts everything anew.
func (k *keysRotateCmd) Run(ctx context.Context, c *cli) error {
	return c.opened(ctx, func(o *app.Opened) error {
		line := terminal.NewProgress(os.Stderr)
		report, err := o.Operator().RotateKeys(ctx, line.Say, func(done, total int) {
			line.Tell(fmt.Sprintf("%d of %d stored secrets encrypted anew", done, total))
		})
		line.End()
		return tellKeys(report, err, k.JSON, true)
	})
}

// tellKeys prints a report. What cannot be read is an error.
func tellKeys(report *app.KeyReport, err error, asJSON, rotated bool) error {
	if err != nil {
		return err
	}
	text := report.Text(rotated)
	if asJSON {
		text = string(store.ToJSON(report)) + "\n"
	}
	if _, err := os.Stdout.WriteString(text); err != nil {
		return err
	}
	if n := report.Unreadable(); n > 0 {
		return &app.ErrUnreadable{Count: n}
	}
	return nil
}

type importCmd struct {
	From        string `required:"" placeholder:"SOURCE" help:"The old database: postgres://..., a file of pg_dump --format=plain, or - for standard input."`
	Static      string `placeholder:"FOLDER" help:"The old system's folder static with the uploaded pictures."`
	KeyFile     string `name:"legacy-key-file" placeholder:"FILE" help:"A file with the old ENCRYPTION_KEY (or set COAGENT_LEGACY_ENCRYPTION_KEY)."`
	WithoutKeys bool   `help:"Leave out the keys that only the old ENCRYPTION_KEY opens."`
	Zone        string `default:"Asia/Taipei" help:"The old TIMEZONE, in which the clock times of schedules are meant."`
	DryRun      bool   `help:"Say row by row what would come and what could not; write nothing."`
	Report      string `placeholder:"FILE" help:"Write every finding and the counts into this file, as JSON lines."`
	Leftovers   string `placeholder:"FILE" default:"legacy-leftovers.jsonl" help:"Write the rows that have no place here into this file, as JSON lines."`
}

// Run imports a school; a second run goes on where a killed one ended.
func (i *importCmd) Run(ctx context.Context, c *cli) error {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	key, err := legacy.ReadKey(i.KeyFile)
	if err != nil {
		return err
	}
	return legacy.Run(ctx, cfg, log, legacy.Options{From: i.From, Static: i.Static, Key: key, WithoutKeys: i.WithoutKeys, Zone: i.Zone,
		DryRun: i.DryRun, Report: i.Report, Leftovers: i.Leftovers, In: os.Stdin, Out: os.Stdout, Progress: terminal.NewProgress(os.Stderr), Now: time.Now()})
}

type configCmd struct{}

// Run prints the settings in effect.
func (configCmd) Run(c *cli) error {
	cfg, _, err := c.load(nil)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(cfg.Effective())
	return err
}

type backupCmd struct {
	File     string `arg:"" help:"The file to write; - is standard output."`
	WithKeys bool   `help:"Take encrypted values along, such as model keys. They need the encryption keys of this installation."`
}

// Run writes an archive.
func (b *backupCmd) Run(ctx context.Context, c *cli) error {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	return app.RunBackup(ctx, cfg, log, version, b.File, b.WithKeys)
}

type restoreCmd struct {
	File string `arg:"" help:"The backup; - is standard input."`
}

// Run fills the configured database.
func (r *restoreCmd) Run(ctx context.Context, c *cli) error {
	cfg, log, err := c.load(nil)
	if err != nil {
		return err
	}
	return app.RunRestore(ctx, cfg, log, version, r.File)
}

type verifyCmd struct {
	File string `arg:"" help:"The backup; - is standard input."`
}

// Run reads a whole archive.
func (v *verifyCmd) Run(ctx context.Context) error { return app.RunVerify(ctx, v.File) }

type pricesCmd struct {
	Import pricesImportCmd `cmd:"" help:"Read litellm's model_prices_and_context_window.json and print how it differs from prices, and what to paste."`
}

type pricesImportCmd struct {
	File  string `arg:"" help:"The list. Download it yourself: this program never fetches it."`
	All   bool   `help:"Take the models of all providers, not only of those that are configured here."`
	Write string `placeholder:"FILE" help:"Write the new prices into this file instead of printing them."`
}

// Run prints the differences on standard error and the new prices on standard output.
func (p *pricesImportCmd) Run(c *cli) error {
	cfg, _, err := c.load(nil)
	if err != nil {
		return err
	}
	prices, err := price.Difference(cfg, p.File, p.All, os.Stderr)
	if err != nil {
		return err
	}
	if p.Write != "" {
		return os.WriteFile(p.Write, prices, 0o644)
	}
	_, err = os.Stdout.Write(prices)
	return err
}

type doctorCmd struct {
	JSON      bool `name:"json" help:"Print the findings as JSON."`
	Providers bool `help:"Ask the model providers whether the stored keys still work: one cheap call for each key."`
}

// Run examines the installation and ends with the code of its worst finding.
func (d *doctorCmd) Run(ctx context.Context, c *cli) error {
	cfg, notices, err := c.read(nil)
	report := app.Diagnose(ctx, app.Examined{Config: cfg, Err: err, Notices: notices, Version: version, Keys: d.Providers})
	if d.JSON {
		err = report.PrintJSON(os.Stdout)
	} else {
		err = report.Print(os.Stdout, likesColours(os.Stdout))
	}
	if code := report.ExitCode(); err == nil && code != 0 {
		return exitCode(code)
	}
	return err
}

// likesColours tells whether a person reads a file as it is written, and likes colours.
func likesColours(f *os.File) bool {
	return terminal.Is(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

type healthCmd struct {
	URL string `placeholder:"URL" help:"Server to ask (default: the one that serves this data folder)."`
}

// Run asks the server's readiness.
func (h *healthCmd) Run(ctx context.Context, c *cli) error {
	base := strings.TrimSuffix(h.URL, "/")
	if base == "" {
		cfg, _, err := c.load(nil)
		if err != nil {
			return err
		}
		if base, err = servedAt(cfg); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("%q is no address of a server, such as http://127.0.0.1:8000", base)
	}
	// Without the environment's proxy: the server is on this machine.
	res, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		return fmt.Errorf("no coagent answers at %s; start it with `coagent serve`, or name its address with --url", base)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		var said struct{ Detail string }
		if json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&said) != nil || said.Detail == "" {
			said.Detail = "it answers " + res.Status
		}
		return fmt.Errorf("the server at %s is not ready: %s", base, said.Detail)
	}
	fmt.Println("ready")
	return nil
}

// servedAt is where the server of this folder answers. Only where it cannot
// write into the folder the configured address has to do.
func servedAt(cfg *config.Config) (string, error) {
	url, noted, err := app.ServedAt(cfg)
	if err != nil || url != "" {
		return url, err
	}
	host, port, err := net.SplitHostPort(cfg.HTTP.Addr)
	if noted || err != nil || port == "0" || !cfg.Postgres() {
		return "", fmt.Errorf("no coagent serves the data folder %s; start it with `coagent serve`, or name its address with --url", cfg.DataDir)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("coagent", version)
	return nil
}
