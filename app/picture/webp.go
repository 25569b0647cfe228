package picture

import (
	"encoding/binary"
	"image"
	"iter"
)

// chunks yields the chunks of a RIFF file
// (https://developers.google.com/speed/webp/docs/riff_container).
func chunks(rest []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for len(rest) >= 8 {
			size := uint64(binary.LittleEndian.Uint32(rest[4:]))
			if size > uint64(len(rest)-8) || !yield(string(rest[:4]), rest[8:8+size]) {
				return
			}
			rest = rest[min(8+size+size%2, uint64(len(rest))):]
		}
	}
}

// firstFrame makes a still WebP from the first frame of an animation, because the
// decoder does not know animations. It also returns the place of the frame and the size
// of the canvas. Other data is returned unchanged, without a canvas.
func firstFrame(data []byte) (still []byte, at, canvas image.Point) {
	for name, content := range chunks(data[12:]) {
		switch {
		case name == "VP8X" && len(content) >= 10:
			canvas = image.Pt(uint24(content[4:])+1, uint24(content[7:])+1)
		case name == "ANMF" && len(content) > frameHead:
			return stillOf(content), image.Pt(2*uint24(content), 2*uint24(content[3:])), canvas
		}
	}
	return data, image.Point{}, image.Point{}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// frameHead is the size in bytes of a frame's head: its place, size and time.
const frameHead = 16

func stillOf(frame []byte) []byte {
	var alpha byte
	var body []byte
	for name, content := range chunks(frame[frameHead:]) {
		switch name {
		case "ALPH":
			alpha = 1 << 4
		case "VP8 ", "VP8L":
		default:
			continue
		}
		body = binary.LittleEndian.AppendUint32(append(body, name...), uint32(len(content)))
		body = append(append(body, content...), make([]byte, len(content)%2)...)
	}
	if alpha != 0 { // the extended form; its head stores the size in the same way as the frame
		head := append([]byte("VP8X\x0a\x00\x00\x00"), alpha, 0, 0, 0)
		body = append(append(head, frame[6:12]...), body...)
	}
	still := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body)+4))
	return append(append(still, "WEBP"...), body...)
}
