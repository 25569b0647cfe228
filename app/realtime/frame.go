package realtime

import (
	"encoding/binary"
	"unicode/utf8"
)

// Close codes that a server of this package sends (RFC 6455 section 7.4; the codes
// 4000-4999 are our own).
const (
	CloseNormal       = 1000 // the peer left first
	CloseGoingAway    = 1001 // the server stops
	CloseBadText      = 1007 // a text frame was not UTF-8
	CloseTooLarge     = 1009 // a frame was beyond the size limit
	CloseSessionEnded = 4001 // the session ended or was revoked
	CloseNotMember    = 4003 // no longer a member of the room
	CloseTooSlow      = 4008 // was too slow or silent; it may reconnect with a cursor
)

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA

	finalBit   = 0x80
	maxControl = 125 // RFC 6455 section 5.5
	noStatus   = 1005
	abnormal   = 1006
)

// TextFrame returns payload as one finished, unmasked text frame (RFC 6455 section 5.2).
func TextFrame(payload []byte) []byte { return frameOf(opText, payload) }

func frameOf(op byte, payload []byte) []byte {
	n := len(payload)
	b := make([]byte, 0, n+10)
	switch {
	case n <= 125:
		b = append(b, finalBit|op, byte(n))
	case n <= 0xFFFF:
		b = append(b, finalBit|op, 126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, finalBit|op, 127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return append(b, payload...)
}

func controlFrame(op byte, payload []byte) []byte {
	if len(payload) > maxControl {
		payload = payload[:maxControl]
	}
	return frameOf(op, payload)
}

// closeFrame makes a close frame. It cuts a long reason between two runes, and leaves
// out codes that must not be sent (section 7.4.1).
func closeFrame(code int, reason string) []byte {
	if code == noStatus || code == abnormal || code <= 0 {
		return frameOf(opClose, nil)
	}
	for len(reason) > maxControl-2 {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	payload := binary.BigEndian.AppendUint16(nil, uint16(code))
	return frameOf(opClose, append(payload, reason...))
}
