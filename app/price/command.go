package price

import (
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/coagent-studio/coagent/app/config"
)

// Difference reads a price list from a file and compares it with the prices of a
// configuration. It writes the differences to notes and returns the new prices as they
// stand in coagent.yaml. Unless all are wanted, it takes the models of the configured
// providers.
func Difference(cfg *config.Config, path string, all bool, notes io.Writer) ([]byte, error) {
	list, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = list.Close() }()
	providers := []string{"openai", "gemini", "anthropic"} // the built-in ones, as the list names them
	for name := range cfg.LLM.Providers {
		providers = append(providers, name)
	}
	imported, err := Import(list, func(provider string) bool { return all || slices.Contains(providers, provider) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	merged, difference := Merge(cfg.Prices, imported)
	if _, err := fmt.Fprintf(notes, "%d models in the list, %d prices in the configuration; differences:\n",
		len(imported), len(cfg.Prices)); err != nil {
		return nil, err
	}
	for _, line := range difference {
		if _, err := fmt.Fprintln(notes, line); err != nil {
			return nil, err
		}
	}
	return config.PricesYAML(merged)
}
