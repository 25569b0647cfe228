package picture

import (
	"bytes"
	"encoding/binary"
	"iter"
)

const (
	tagOrientation = 0x0112
	typeShort      = 3
	sizeOfEntry    = 12
)

// orientation returns how a picture says that its pixels are turned, 1 to 8. Without
// readable information it is 1, which means not turned.
func orientation(data []byte) int {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		return jpegOrientation(data)
	case bytes.HasPrefix(data, []byte("\x89PNG")):
		// Chunks: a length, a name, the content and a checksum.
		for rest := data[8:]; len(rest) >= 8; {
			size := uint64(binary.BigEndian.Uint32(rest))
			if size > uint64(len(rest)-8) {
				return 1
			}
			if string(rest[4:8]) == "eXIf" {
				return exifOrientation(rest[8 : 8+size])
			}
			rest = rest[min(8+size+4, uint64(len(rest))):]
		}
	case bytes.HasPrefix(data, []byte("RIFF")):
		for name, content := range chunks(data[12:]) {
			if name == "EXIF" {
				return exifOrientation(content)
			}
		}
	}
	return 1
}

// exifOrientation reads EXIF data. Some programs write before it the name that EXIF
// data has in a JPEG.
func exifOrientation(content []byte) int {
	return tiffOrientation(bytes.TrimPrefix(content, []byte("Exif\x00\x00")))
}

// segments yields the segments before the pixels of a JPEG, up to the marker SOS. Each
// segment is 0xff, a marker, and a length that includes itself.
func segments(data []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		const sos = 0xda
		for rest := data[2:]; len(rest) >= 4 && rest[0] == 0xff; {
			marker, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
			if marker == 0xff { // a fill byte
				rest = rest[1:]
				continue
			}
			if marker == sos || size < 2 || len(rest) < 2+size || !yield(marker, rest[4:2+size]) {
				return
			}
			rest = rest[2+size:]
		}
	}
}

func jpegOrientation(data []byte) int {
	const app1 = 0xe1
	for marker, content := range segments(data) {
		if tiff, ok := bytes.CutPrefix(content, []byte("Exif\x00\x00")); ok && marker == app1 {
			return tiffOrientation(tiff)
		}
	}
	return 1
}

// progressive tells whether a picture is a progressive JPEG, which is decoded in
// several passes.
func progressive(data []byte) bool {
	const sof2 = 0xc2
	if !bytes.HasPrefix(data, []byte("\xff\xd8")) {
		return false
	}
	for marker := range segments(data) {
		if marker == sof2 {
			return true
		}
	}
	return false
}

// tiffOrientation reads the orientation from the first directory after a TIFF header.
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
