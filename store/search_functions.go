package store

import (
	"database/sql/driver"

	"modernc.org/sqlite"

	"github.com/coagent-studio/coagent/store/words"
)

// The triggers of SQLite that keep message_words call these functions. So whatever changes
// a message changes what is found of it, in the same transaction and without a statement
// of its own. The driver wants them before its first connection.
func init() {
	text := func(name string, of func(text string) string) {
		sqlite.MustRegisterDeterministicScalarFunction(name, 1, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
			return of(textOf(args[0])), nil
		})
	}
	text("search_words", func(text string) string { return words.StreamOf(text).Words })
	text("search_starts", func(text string) string { return words.StreamOf(text).Starts })
	text("search_pairs", func(text string) string { return words.StreamOf(text).Pairs })
	sqlite.MustRegisterDeterministicScalarFunction("search_facts", 11, func(_ *sqlite.FunctionContext, args []driver.Value) (driver.Value, error) {
		return words.FactsText(words.About{RoomID: textOf(args[0]), CourseID: textOf(args[1]), SenderID: textOf(args[2]), AgentID: textOf(args[3]),
			AgentName: textOf(args[4]), BotName: textOf(args[5]), Agent: args[6] == int64(1), Mentions: args[7] == int64(1), Reply: args[8] == int64(1), File: args[9] == int64(1), Text: textOf(args[10])}), nil
	})
}

func textOf(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}
