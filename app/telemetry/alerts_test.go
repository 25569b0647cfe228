package telemetry_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/coagent-studio/coagent/app/telemetry"
)

// everything is a Telemetry to which everything has happened once.
func everything(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	age := time.Hour
	tell := newTelemetry(t, telemetry.Options{Version: "v1", Providers: []string{"openai"},
		Sockets: func() telemetry.Sockets { return telemetry.Sockets{} },
		QueueAges: func(context.Context) (map[string]time.Duration, error) {
			return map[string]time.Duration{"turns": 0}, nil
		},
		Standing: func(context.Context) (telemetry.Standing, error) {
			return telemetry.Standing{Jobs: map[string]int{"running": 2}, Backup: &age, BackupFailure: &age}, nil
		}})
	_, request := tell.Request(t.Context(), "GET", false)
	request("/", 200)
	_, posted := tell.SocketPost(t.Context(), "r", "u")
	posted("stored")
	_, job := tell.Job(t.Context(), telemetry.Job{Kind: "k"})
	job("done", false)
	tell.TurnEnded(t.Context(), "finished", "", time.Second)
	_, call := tell.ModelCall(t.Context(), "openai")
	call(telemetry.OutcomeOK, 1, 1)
	tell.OutsideMessage("in", "stored")
	tell.BudgetRefused("budget")
	tell.UsageExpired()
	return tell
}

// Every metric that the papers and the example rules name is one that the program has.
func TestNamedMetricsExist(t *testing.T) {
	t.Parallel()
	scraped := scrape(t, everything(t))
	name, series := regexp.MustCompile(`\bcoagent_[a-z_]+`), regexp.MustCompile(`_(bucket|sum|count)$`)
	for _, path := range []string{"../../deploy/alerts.yaml", "../../docs/operate.md"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, metric := range name.FindAllString(string(text), -1) {
			named++
			if !strings.Contains(scraped, "# TYPE "+series.ReplaceAllString(metric, "")+" ") {
				t.Errorf("%s names %s, which the program does not have", path, metric)
			}
		}
		if named < 10 {
			t.Errorf("%s names %d metrics, want ten or more", path, named)
		}
	}
}

// The example rules are rules as Prometheus reads them.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         time.Duration     `yaml:"for"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil || len(file.Groups) != 1 {
		t.Fatalf("got %d groups, %v", len(file.Groups), err)
	}
	for _, r := range file.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Annotations["summary"] == "" {
			t.Errorf("%q has no name, expression or summary", r.Alert)
		}
	}
}

func TestStanding(t *testing.T) {
	t.Parallel()
	t.Run("TheDatabaseIsAskedOnce", func(t *testing.T) {
		t.Parallel()
		asked := 0
		tell := newTelemetry(t, telemetry.Options{Standing: func(context.Context) (telemetry.Standing, error) {
			asked++
			return telemetry.Standing{Jobs: map[string]int{"running": 2}}, nil
		}})
		for range 3 {
			got := scrape(t, tell)
			if !strings.Contains(got, "coagent_jobs{state=\"running\"} 2\n") || strings.Contains(got, "coagent_backup") {
				t.Errorf("got %s", got)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times in ten seconds, want once", asked)
		}
	})
	t.Run("NothingFromADeadDatabase", func(t *testing.T) {
		t.Parallel()
		tell := newTelemetry(t, telemetry.Options{Standing: func(context.Context) (telemetry.Standing, error) {
			return telemetry.Standing{Jobs: map[string]int{"running": 2}}, errors.New("away")
		}})
		if got := scrape(t, tell); strings.Contains(got, "coagent_jobs{") || !strings.Contains(got, "coagent_build_info{") {
			t.Errorf("got %s", got)
		}
	})
}
