package turn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// What is known of rooms stays within its bounds, however many and large their agents are.
func TestKnownRoomsAreBounded(t *testing.T) {
	t.Parallel()
	var k knownRooms
	add := func(i, bytes int) {
		rows := []store.RoomAgent{{Agent: &store.Agent{SystemPrompt: strings.Repeat("x", bytes)}}}
		k.put(fmt.Sprint(i%(3*maxKnown)), &knownRoom{version: int64(i), rows: rows, size: sizeOf(rows)})
		if len(k.rooms) > maxKnown || k.size > maxKnownBytes {
			t.Fatalf("%d rooms with %d bytes are known", len(k.rooms), k.size)
		}
	}
	for i := range 4 * maxKnown {
		add(i, 0)
	}
	if len(k.rooms) != maxKnown {
		t.Errorf("%d rooms are known, want %d", len(k.rooms), maxKnown)
	}
	for i := range 500 {
		add(i, 1<<(i%26))
	}
	total := 0
	for id, room := range k.rooms {
		total += room.size
		if k.get(id) != room {
			t.Errorf("got another room for %s", id)
		}
	}
	if total != k.size {
		t.Errorf("the size is %d, the rooms have %d", k.size, total)
	}
}
