package picture

import (
	"bytes"
	"encoding/binary"
)

const (
	tagOrientation = 0x0112
	typeShort      = 3
	sizeOfEntry    = 12
)

// orientation is how a JPEG says that its pixels are turned, 1 to 8; 1, as
// they are, for other formats and where nothing that can be read says so.
func orientation(data []byte) int {
	if !bytes.HasPrefix(data, []byte("\xff\xd8")) {
		return 1
	}
	// Segments: 0xff, a marker, and a length that counts itself. The pixels
	// begin behind the marker SOS; what precedes them is enough.
	const app1, sos = 0xe1, 0xda
	for rest := data[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if marker == 0xff { // a byte that only fills
			rest = rest[1:]
			continue
		}
		if marker == sos || size < 2 || len(rest) < 2+size {
			return 1
		}
		if tiff, ok := bytes.CutPrefix(rest[4:2+size], []byte("Exif\x00\x00")); ok && marker == app1 {
			return tiffOrientation(tiff)
		}
		rest = rest[2+size:]
	}
	return 1
}

// tiffOrientation reads the tag from the first directory of a TIFF header.
func tiffOrientation(tiff []byte) int {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	}
	if order == nil || len(tiff) < 8 {
		return 1
	}
	at := uint64(order.Uint32(tiff[4:]))
	if at+2 > uint64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < sizeOfEntry {
			return 1
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[sizeOfEntry:]
	}
	return 1
}
