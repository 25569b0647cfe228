package picture_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/picture"
)

var red, blue = color.RGBA{R: 255, A: 255}, color.RGBA{B: 255, A: 255}

// halves is red above and blue below.
func halves(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, map[bool]color.RGBA{true: red, false: blue}[y < h/2])
		}
	}
	return img
}

func encoded(t testing.TB, kind string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	default:
		err = jpeg.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// webp is a picture of 1 x 1 pixels.
func webp(t testing.TB) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString("UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoBAAEAAgA0JaQAA3AA/vuUAAA=")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// turned is a JPEG whose EXIF header has this orientation.
func turned(t testing.TB, orientation uint16, order binary.AppendByteOrder) []byte {
	t.Helper()
	tiff := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = order.AppendUint16(tiff, orientation)
	tiff = append(tiff, 0, 0)
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte{0xff, 0xd8, 0xff, 0xe1}, uint16(len(segment)+2))
	return append(append(head, segment...), encoded(t, "jpg", halves(64, 64))[2:]...)
}

// bomb is a PNG of a few bytes that claims to be this large.
func bomb(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 6, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

func near(a, b color.Color) bool {
	r1, g1, b1, _ := a.RGBA()
	r2, g2, b2, _ := b.RGBA()
	for _, d := range []int{int(r1) - int(r2), int(g1) - int(g2), int(b1) - int(b2)} {
		if d > 0x3000 || d < -0x3000 {
			return false
		}
	}
	return true
}

func TestSquare(t *testing.T) {
	t.Parallel()
	clear := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for name, c := range map[string]struct {
		data      []byte
		extension string
		side      int
	}{
		"PNG": {encoded(t, "png", halves(600, 400)), "jpg", 256}, "JPEG": {encoded(t, "jpg", halves(400, 600)), "jpg", 256},
		"GIF": {encoded(t, "gif", halves(300, 300)), "jpg", 256}, "WebP": {webp(t), "jpg", 1},
		"Transparent": {encoded(t, "png", clear), "png", 256}, "Small": {encoded(t, "png", halves(10, 20)), "jpg", 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, extension, err := picture.Square(c.data)
			if err != nil || extension != c.extension {
				t.Fatalf("got %s, %v, want %s", extension, err, c.extension)
			}
			img, kind, err := image.Decode(bytes.NewReader(out))
			if err != nil || img.Bounds() != image.Rect(0, 0, c.side, c.side) {
				t.Fatalf("got %s %v, %v, want a square of %d", kind, img.Bounds(), err, c.side)
			}
		})
	}
	t.Run("TheMiddle", func(t *testing.T) {
		t.Parallel()
		out, _, err := picture.Square(encoded(t, "png", halves(600, 400)))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil || !near(img.At(128, 10), red) || !near(img.At(128, 245), blue) {
			t.Errorf("got %v above and %v below, %v, want red and blue", img.At(128, 10), img.At(128, 245), err)
		}
	})
	t.Run("NothingElseGetsThrough", func(t *testing.T) {
		t.Parallel()
		const hidden = "<script>alert(1)</script>"
		for _, data := range [][]byte{append(encoded(t, "png", halves(64, 64)), hidden...), append(encoded(t, "gif", halves(64, 64)), hidden...)} {
			out, _, err := picture.Square(data)
			if err != nil || bytes.Contains(out, []byte(hidden)) {
				t.Errorf("got %v, or the script", err)
			}
		}
	})
}

func chunk(name string, content []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(content)))
	return append(append(b, content...), make([]byte, len(content)%2)...)
}

// What phones and programs out there make.
func TestTaken(t *testing.T) {
	t.Parallel()
	still := webp(t)[12:]
	riff := func(parts ...[]byte) []byte {
		body := append([]byte("WEBP"), bytes.Join(parts, nil)...)
		return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
	}
	head := chunk("VP8X", append([]byte{2, 0, 0, 0}, make([]byte, 6)...))
	frame := chunk("ANMF", append(make([]byte, 16), still...))
	photo := encoded(t, "jpg", halves(4624, 3468))
	for name, c := range map[string]struct {
		data []byte
		side int
	}{
		"AnimatedWebP":  {riff(head, chunk("ANIM", make([]byte, 6)), frame, frame), 1},
		"NoEndMark":     {photo[:len(photo)-2], 256},
		"HalfAnEndMark": {photo[:len(photo)-1], 256},
		"ZerosAtTheEnd": {append(bytes.Clone(photo[:len(photo)-2]), 0, 0, 0), 256},
		"Whole":         {photo, 256},
		"WideAndFlat":   {encoded(t, "png", image.NewPaletted(image.Rect(0, 0, 20_000, 300), color.Palette{red, blue})), 256},
		"HighAndNarrow": {encoded(t, "png", image.NewGray(image.Rect(0, 0, 3, 60_000))), 3},
	} {
		out, _, err := picture.Square(c.data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if cfg, _, err := image.DecodeConfig(bytes.NewReader(out)); err != nil || cfg.Width != c.side || cfg.Height != c.side {
			t.Errorf("%s: got %d x %d, %v", name, cfg.Width, cfg.Height, err)
		}
	}
}

func TestOrientationOfPNG(t *testing.T) {
	t.Parallel()
	whole := encoded(t, "png", halves(64, 64))
	jpg := turned(t, 6, binary.LittleEndian)
	size := int(binary.BigEndian.Uint16(jpg[4:])) - 2
	for name, exif := range map[string][]byte{"Plain": jpg[12 : 6+size], "WithItsName": jpg[6 : 6+size]} {
		extra := append(binary.BigEndian.AppendUint32(nil, uint32(len(exif))), append([]byte("eXIf"), exif...)...)
		extra = binary.BigEndian.AppendUint32(extra, crc32.ChecksumIEEE(extra[4:]))
		const headEnd = 8 + 25
		out, _, err := picture.Square(append(append(bytes.Clone(whole[:headEnd]), extra...), whole[headEnd:]...))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(out))
		if err != nil || !near(img.At(60, 32), red) || !near(img.At(4, 32), blue) {
			t.Errorf("%s: got %v, %v", name, img.At(60, 32), err)
		}
	}
}

// Where the red half is after each orientation has been undone.
func TestOrientation(t *testing.T) {
	t.Parallel()
	for o, top := range map[uint16]image.Point{0: {32, 4}, 1: {32, 4}, 2: {32, 4}, 3: {32, 60}, 4: {32, 60}, 5: {4, 32}, 6: {60, 32}, 7: {60, 32}, 8: {4, 32}, 9: {32, 4}} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			out, _, err := picture.Square(turned(t, o, order))
			if err != nil {
				t.Fatal(err)
			}
			img, err := jpeg.Decode(bytes.NewReader(out))
			if err != nil || !near(img.At(top.X, top.Y), red) || !near(img.At(63-top.X, 63-top.Y), blue) {
				t.Errorf("%d: got %v at %v, %v, want red", o, img.At(top.X, top.Y), top, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	whole := encoded(t, "png", halves(64, 64))
	for name, data := range map[string][]byte{"Empty": nil, "Text": []byte("hello"), "SVG": []byte("<svg xmlns='http://www.w3.org/2000/svg'/>"),
		"HTML": []byte("<html>"), "HalfAPNG": whole[:len(whole)/2], "BMP": []byte("BM" + strings.Repeat("\x00", 60)), "NoSize": bomb(0, 0),
		"HeadOnly": bomb(64, 64), "JPEGMagic": []byte("\xff\xd8\xff\xe1\x00"), "GIFMagic": []byte("GIF89a")} {
		if _, _, err := picture.Square(data); !errors.Is(err, picture.ErrNoPicture) {
			t.Errorf("%s: got %v, want ErrNoPicture", name, err)
		}
	}
	for _, size := range [][2]uint32{{50_000_001, 1}, {1, 50_000_001}, {8000, 6251}, {1 << 20, 1 << 20}, {100_000, 100_000}} {
		if _, _, err := picture.Square(bomb(size[0], size[1])); !errors.Is(err, picture.ErrTooLarge) {
			t.Errorf("%v: got %v, want ErrTooLarge", size, err)
		}
	}
}

// FuzzAvatar: whatever is uploaded, the result is a small square picture or
// one of the two errors.
func FuzzAvatar(f *testing.F) {
	for _, kind := range []string{"png", "jpg", "gif"} {
		f.Add(encoded(f, kind, halves(8, 6)))
	}
	f.Add(webp(f))
	f.Add(bomb(100_000, 100_000))
	for o := range uint16(10) {
		f.Add(turned(f, o, binary.LittleEndian))
	}
	f.Add(turned(f, 6, binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, extension, err := picture.Square(data)
		if err != nil {
			if !errors.Is(err, picture.ErrNoPicture) && !errors.Is(err, picture.ErrTooLarge) {
				t.Fatal(err)
			}
			return
		}
		cfg, kind, err := image.DecodeConfig(bytes.NewReader(out))
		if err != nil || cfg.Width != cfg.Height || cfg.Width > picture.Side || map[string]string{"png": "png", "jpg": "jpeg"}[extension] != kind {
			t.Fatalf("got %s %dx%d, %v", kind, cfg.Width, cfg.Height, err)
		}
	})
}
