package picture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"runtime"
	"testing"

	"github.com/coagent-studio/coagent/app/picture"
)

// bits writes the bits of a lossless WebP, the lowest first.
type bits struct {
	b []byte
	n uint
}

func (w *bits) put(value uint32, width uint) {
	for i := range width {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[len(w.b)-1] |= byte(value>>i&1) << (w.n % 8)
		w.n++
	}
}

// only is a code of one symbol, which then takes no bits.
func (w *bits) only(symbol uint32) {
	w.put(1, 1)
	w.put(0, 1)
	w.put(1, 1)
	w.put(symbol, 8)
}

func (w *bits) head(width, height int) {
	w.put(0x2f, 8)
	w.put(uint32(width-1), 14)
	w.put(uint32(height-1), 14)
	w.put(1, 1) // alpha
	w.put(0, 3)
}

// plain is the lossless bit stream of one colour.
func plain(width, height int, c color.NRGBA) []byte {
	w := new(bits)
	w.head(width, height)
	w.put(0, 3) // no transform, no cache, no groups
	for _, symbol := range []uint8{c.G, c.R, c.B, c.A, 0} {
		w.only(uint32(symbol))
	}
	return w.b
}

// halved is one that is of one colour above and of another below.
func halved(width, height int, above, below color.NRGBA) []byte {
	w := new(bits)
	w.head(width, height)
	w.put(0, 3)
	for _, pair := range [][2]uint8{{above.G, below.G}, {above.R, below.R}, {above.B, below.B}, {above.A, below.A}} {
		if pair[0] == pair[1] {
			w.only(uint32(pair[0]))
			continue
		}
		w.put(1, 1)
		w.put(1, 1) // two symbols: the lower one has the bit 0
		w.put(1, 1)
		w.put(uint32(min(pair[0], pair[1])), 8)
		w.put(uint32(max(pair[0], pair[1])), 8)
	}
	w.only(0)
	for y := range height {
		for range width {
			for _, pair := range [][2]uint8{{above.G, below.G}, {above.R, below.R}, {above.B, below.B}, {above.A, below.A}} {
				if pair[0] != pair[1] {
					own := pair[0]
					if y >= height/2 {
						own = pair[1]
					}
					w.put(map[bool]uint32{true: 1, false: 0}[own == max(pair[0], pair[1])], 1)
				}
			}
		}
	}
	return w.b
}

func riffOf(parts ...[]byte) []byte {
	body := append([]byte("WEBP"), bytes.Join(parts, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func three(n int) []byte { return []byte{byte(n), byte(n >> 8), byte(n >> 16)} }

// extended is the head of an extended WebP with a canvas of this size.
func extended(flags byte, width, height int) []byte {
	return chunk("VP8X", bytes.Join([][]byte{{flags, 0, 0, 0}, three(width - 1), three(height - 1)}, nil))
}

// frameAt is a frame of an animation.
func frameAt(x, y, width, height int, parts ...[]byte) []byte {
	head := bytes.Join([][]byte{three(x / 2), three(y / 2), three(width - 1), three(height - 1), {100, 0, 0, 0}}, nil)
	return chunk("ANMF", append(head, bytes.Join(parts, nil)...))
}

var solidRed, solidBlue = color.NRGBA{R: 255, A: 255}, color.NRGBA{B: 255, A: 255}

func squared(t *testing.T, data []byte) (image.Image, string) {
	t.Helper()
	out, extension, err := picture.Square(data)
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := image.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return img, extension
}

func TestOrientationOfWebP(t *testing.T) {
	t.Parallel()
	still, half := chunk("VP8L", halved(64, 64, solidRed, solidBlue)), image.Pt(32, 32)
	for o, top := range map[uint16]image.Point{1: {32, 4}, 2: {32, 4}, 3: {32, 60}, 4: {32, 60}, 5: {4, 32}, 6: {60, 32}, 7: {60, 32}, 8: {4, 32}} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			jpg := turned(t, o, order)
			size := int(binary.BigEndian.Uint16(jpg[4:])) - 2
			for name, exif := range map[string][]byte{"Plain": jpg[12 : 6+size], "WithItsName": jpg[6 : 6+size]} {
				frame := frameAt(0, 0, 64, 64, still)
				for kind, data := range map[string][]byte{"Still": riffOf(extended(8, 64, 64), still, chunk("EXIF", exif)),
					"Animated": riffOf(extended(10, 64, 64), chunk("ANIM", make([]byte, 6)), frame, frame, chunk("EXIF", exif))} {
					img, _ := squared(t, data)
					if below := half.Mul(2).Sub(top); !near(img.At(top.X, top.Y), red) || !near(img.At(min(below.X, 63), min(below.Y, 63)), blue) {
						t.Errorf("%s %s %d: got %v at %v", kind, name, o, img.At(top.X, top.Y), top)
					}
				}
			}
		}
	}
}

// What is transparent stays so, also where the colour and the alpha of a WebP
// are in chunks of their own.
func TestTransparency(t *testing.T) {
	t.Parallel()
	lossy := webp(t)[12:] // one pixel
	alpha := func(a byte) []byte { return chunk("ALPH", []byte{0, a}) }
	clear := color.NRGBA{R: 255, A: 0}
	for name, c := range map[string]struct {
		data  []byte
		alpha uint32
	}{
		"Alpha":         {riffOf(extended(16, 1, 1), alpha(0), lossy), 0},
		"HalfAlpha":     {riffOf(extended(16, 1, 1), alpha(0x80), lossy), 0x8080},
		"Opaque":        {riffOf(extended(16, 1, 1), alpha(0xff), lossy), 0xffff},
		"AnimatedAlpha": {riffOf(extended(18, 1, 1), chunk("ANIM", make([]byte, 6)), frameAt(0, 0, 1, 1, alpha(0x80), lossy)), 0x8080},
		"Lossless":      {riffOf(chunk("VP8L", plain(8, 8, clear))), 0},
		"AnimatedLossless": {riffOf(extended(18, 8, 8), chunk("ANIM", make([]byte, 6)),
			frameAt(0, 0, 8, 8, chunk("VP8L", plain(8, 8, clear)))), 0},
	} {
		img, extension := squared(t, c.data)
		if _, _, _, a := img.At(0, 0).RGBA(); a != c.alpha || (extension == "png") != (c.alpha < 0xffff) {
			t.Errorf("%s: got alpha %#x as %s, want %#x", name, a, extension, c.alpha)
		}
	}
}

// The first frame of an animation stands where it belongs on its canvas.
func TestFrameOnItsCanvas(t *testing.T) {
	t.Parallel()
	anim := chunk("ANIM", make([]byte, 6))
	small := chunk("VP8L", plain(50, 50, solidRed))
	var g bytes.Buffer
	frame := image.NewPaletted(image.Rect(100, 50, 150, 100), color.Palette{solidRed, color.Transparent})
	if err := gif.EncodeAll(&g, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 200, Height: 100}}); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"WebP": riffOf(extended(2, 200, 100), anim, frameAt(100, 50, 50, 50, small)), "GIF": g.Bytes()} {
		img, extension := squared(t, data)
		if extension != "png" || img.Bounds() != image.Rect(0, 0, 100, 100) {
			t.Fatalf("%s: got %v as %s", name, img.Bounds(), extension)
		}
		for at, want := range map[image.Point]bool{{75, 75}: true, {51, 51}: true, {99, 99}: true, {48, 75}: false, {75, 48}: false, {0, 0}: false} {
			if _, _, _, a := img.At(at.X, at.Y).RGBA(); (a > 0x8000) != want {
				t.Errorf("%s: at %v the alpha is %#x, want it seen: %v", name, at, a, want)
			}
		}
	}
	// Beside the square that is cut out nothing of it is left to see; a frame beyond its canvas is none.
	img, _ := squared(t, riffOf(extended(2, 400, 100), anim, frameAt(0, 0, 50, 50, small)))
	if _, _, _, a := img.At(50, 50).RGBA(); a != 0 {
		t.Errorf("got alpha %#x", a)
	}
	for _, at := range []image.Point{{152, 0}, {0, 52}, {1 << 20, 0}, {1<<25 - 2, 1<<25 - 2}} {
		data := riffOf(extended(2, 200, 100), anim, frameAt(at.X, at.Y, 50, 50, small))
		if _, _, err := picture.Square(data); !errors.Is(err, picture.ErrNoPicture) {
			t.Errorf("%v: got %v, want ErrNoPicture", at, err)
		}
	}
	// A canvas takes no memory, whatever it says.
	huge := riffOf(extended(2, 1<<24, 1<<24), anim, frameAt(1<<23, 1<<23, 50, 50, small))
	if grown := allocated(t, func() { squared(t, huge) }); grown > 16<<20 {
		t.Errorf("a canvas of 2^48 pixels took %d MiB", grown>>20)
	}
}

// allocated is how many bytes fn takes in all, whether they are given back or not.
func allocated(t *testing.T, fn func()) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// manyGroups is a lossless WebP of a few kB that says to have 65,536 groups of
// codes, of which as many are in use as there are tiles of 4 x 4 pixels.
func manyGroups(width, height int) []byte {
	w := new(bits)
	w.head(width, height)
	w.put(0, 2) // no transform, no cache
	w.put(1, 1) // groups
	w.put(0, 3) // for tiles of 4 x 4 pixels
	w.put(0, 1) // no cache; the number of the group is in red and green
	for _, symbol := range []uint32{255, 255, 0, 0, 0} {
		w.only(symbol)
	}
	for range 65536 * 5 {
		w.put(1, 4) // a code of the one symbol 0
	}
	return w.b
}

// What says to be large is refused before it takes memory, in each format and
// in each head of it.
func TestBombs(t *testing.T) {
	// Not parallel: it measures what is allocated.
	gifBomb := append([]byte("GIF89a"), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 0, 0x3b)
	jpegBomb := append([]byte{0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3}, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0)
	vp8 := webp(t)[12:]
	vp8Bomb := bytes.Clone(vp8)
	copy(vp8Bomb[8+6:], []byte{0xff, 0x3f, 0xff, 0x3f}) // 16383 x 16383
	lossless := new(bits)
	lossless.head(1<<14, 1<<14)
	anim := chunk("ANIM", make([]byte, 6))
	for name, data := range map[string][]byte{
		"PNG": bomb(60_000, 60_000), "GIF": gifBomb, "JPEG": jpegBomb, "WebP": riffOf(vp8Bomb), "LosslessWebP": riffOf(chunk("VP8L", lossless.b)),
		"SmallHead": riffOf(extended(0, 1, 1), vp8Bomb), "SmallHeadOfLossless": riffOf(extended(0, 1, 1), chunk("VP8L", lossless.b)),
		"LargeHead": riffOf(extended(16, 1<<15, 1<<15), chunk("ALPH", []byte{0, 0}), vp8), "LargeHeadWithoutAlpha": riffOf(extended(0, 1<<16, 1<<15), vp8),
		"Frame": riffOf(extended(2, 1, 1), anim, frameAt(0, 0, 1, 1, vp8Bomb)), "LosslessFrame": riffOf(extended(2, 1, 1), anim, frameAt(0, 0, 1, 1, chunk("VP8L", lossless.b))),
		"LargeFrame":        riffOf(extended(18, 1, 1), anim, frameAt(0, 0, 1<<15, 1<<15, chunk("ALPH", []byte{0, 0}), vp8)),
		"Groups":            riffOf(chunk("VP8L", manyGroups(8, 8))),
		"GroupsOfManyTiles": riffOf(chunk("VP8L", manyGroups(1024, 1024))),
	} {
		var err error
		grown := allocated(t, func() { _, _, err = picture.Square(data) })
		if !errors.Is(err, picture.ErrTooLarge) && !errors.Is(err, picture.ErrNoPicture) || grown > 24<<20 {
			t.Errorf("%s (%d bytes): got %v and took %d MiB, want a refusal", name, len(data), err, grown>>20)
		}
	}
	// A GIF whose frame is larger than its canvas, and a PNG that unpacks to more than it says.
	small := append([]byte("GIF89a"), 1, 0, 1, 0, 0, 0, 0, 0x2c, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 2, 0, 0x3b)
	if _, _, err := picture.Square(small); !errors.Is(err, picture.ErrNoPicture) {
		t.Errorf("a frame beyond its canvas: got %v", err)
	}
	var whole bytes.Buffer
	if err := png.Encode(&whole, image.NewGray(image.Rect(0, 0, 4000, 4000))); err != nil {
		t.Fatal(err)
	}
	if grown := allocated(t, func() { squared(t, whole.Bytes()) }); grown > 64<<20 {
		t.Errorf("16 million grey pixels took %d MiB", grown>>20)
	}
}
