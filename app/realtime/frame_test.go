package realtime

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextFrame(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		size   int
		header []byte
	}{
		{"Empty", 0, []byte{0x81, 0}},
		{"LongestShort", 125, []byte{0x81, 125}},
		{"ShortestMedium", 126, []byte{0x81, 126, 0, 126}},
		{"LongestMedium", 65535, []byte{0x81, 126, 0xFF, 0xFF}},
		{"ShortestLong", 65536, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			payload := bytes.Repeat([]byte("x"), tc.size)
			if got, want := TextFrame(payload), slices.Concat(tc.header, payload); !bytes.Equal(got, want) {
				t.Errorf("got %x..., want %x...", got[:min(len(got), 12)], want[:min(len(want), 12)])
			}
		})
	}
}

func TestCloseFrame(t *testing.T) {
	t.Parallel()
	t.Run("CodeAndReason", func(t *testing.T) {
		t.Parallel()
		got := closeFrame(CloseTooSlow, "slow")
		if want := append([]byte{0x88, 6, 0x0F, 0xA8}, "slow"...); !bytes.Equal(got, want) {
			t.Errorf("got %x, want %x", got, want)
		}
	})
	t.Run("ReasonIsCutAtARune", func(t *testing.T) {
		t.Parallel()
		got := closeFrame(CloseGoingAway, strings.Repeat("老", 60))
		if len(got)-2 > maxControl || int(got[1]) != len(got)-2 {
			t.Errorf("payload of %d bytes, header says %d, want at most %d", len(got)-2, got[1], maxControl)
		}
		if !utf8.Valid(got[4:]) || binary.BigEndian.Uint16(got[2:]) != CloseGoingAway {
			t.Errorf("got %x, want 1001 and whole runes", got)
		}
	})
	t.Run("ReservedCodesStayOffTheWire", func(t *testing.T) {
		t.Parallel()
		for _, code := range []int{0, noStatus, abnormal} {
			if got, want := closeFrame(code, "x"), []byte{0x88, 0}; !bytes.Equal(got, want) {
				t.Errorf("code %d: got %x, want %x", code, got, want)
			}
		}
	})
}
