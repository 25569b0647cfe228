// Package picture makes small square pictures of what people upload. It looks
// at the content alone, never at a name or a declared type, and nothing of the
// upload but its pixels gets into the result: no metadata, no hidden bytes.
//
// It is a leaf: it imports nothing of ours and keeps no state. Its memory is
// bounded by [MaxPixels] and by what a kind of picture takes for each of them,
// which are checked before anything is decoded: see maxBytes.
package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// The bound of an upload, whatever its sides are, and the side of the result.
const (
	MaxPixels = 50_000_000
	Side      = 256
	// maxBytes is what the pixels of one upload may take when they are unpacked.
	maxBytes = 256 << 20
)

// The two things that can be wrong with an upload.
var (
	ErrNoPicture = errors.New("neither PNG nor JPEG, GIF or WebP")
	ErrTooLarge  = errors.New("more pixels than are possible")
)

// format is one kind of picture, known by how it begins.
type format struct {
	magic  string // ? stands for any byte
	config func(*bytes.Reader) (image.Config, error)
	decode func(*bytes.Reader) (image.Image, error)
}

// The decoders are named here instead of being registered: what another
// package links into the program must not widen what is accepted.
func formats() []format {
	return []format{
		{"\x89PNG\r\n\x1a\n", func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }},
		{"\xff\xd8", func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }},
		{"GIF8?a", func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) }}, // the first of its pictures
		{"RIFF????WEBPVP8", func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) }},
	}
}

func (f format) fits(data []byte) bool {
	if len(data) < len(f.magic) {
		return false
	}
	for i := range len(f.magic) {
		if f.magic[i] != '?' && f.magic[i] != data[i] {
			return false
		}
	}
	return true
}

// Square decodes an upload, turns it upright, cuts the square in its middle
// out and scales that down to at most Side pixels. The result is a JPEG, or a
// PNG when something of it is transparent; extension is jpg or png. Its error
// is ErrNoPicture or ErrTooLarge.
func Square(data []byte) (encoded []byte, extension string, err error) {
	for _, f := range formats() {
		if !f.fits(data) {
			continue
		}
		pixels, at, canvas := data, image.Point{}, image.Point{}
		switch {
		case bytes.HasPrefix(data, []byte("RIFF")):
			pixels, at, canvas = firstFrame(data)
		case bytes.HasPrefix(data, []byte("\xff\xd8")):
			// Some cameras and programs leave the end mark out.
			pixels = append(bytes.Clone(data), 0xff, 0xd9)
		}
		cfg, err := f.config(bytes.NewReader(pixels))
		if err != nil || cfg.Width < 1 || cfg.Height < 1 {
			return nil, "", ErrNoPicture
		}
		if cfg.Width > MaxPixels/cfg.Height || cfg.Width*cfg.Height*bytesOf(cfg.ColorModel, data) > maxBytes {
			return nil, "", ErrTooLarge
		}
		if canvas == (image.Point{}) {
			canvas = image.Pt(cfg.Width, cfg.Height)
		}
		img, err := f.decode(bytes.NewReader(pixels))
		if err != nil || !img.Bounds().Add(at).In(image.Rectangle{Max: canvas}) || img.Bounds().Empty() {
			return nil, "", ErrNoPicture
		}
		return encode(upright(scaled(img, at, canvas), orientation(data)))
	}
	return nil, "", ErrNoPicture
}

// bytesOf is what a pixel takes while a picture of this kind is decoded.
func bytesOf(m color.Model, data []byte) int {
	if _, is := m.(color.Palette); is { // cannot be compared
		return 1
	}
	wide := 4
	switch m {
	case color.RGBA64Model, color.NRGBA64Model:
		wide = 8
	case color.YCbCrModel, color.NYCbCrAModel:
		wide = 3
	case color.GrayModel:
		wide = 1
	case color.Gray16Model:
		wide = 2
	}
	if progressive(data) {
		wide *= 5 // the coefficients as well, of 4 bytes
	}
	return wide
}

// scaled is the square in the middle of a canvas, no larger than Side. The
// picture stands at a place on it, and covers all of it unless it is a frame of
// an animation; the rest is transparent.
func scaled(img image.Image, at, canvas image.Point) *image.RGBA {
	side := min(canvas.X, canvas.Y)
	n := min(side, Side)
	corner := image.Pt((canvas.X-side)/2, (canvas.Y-side)/2)
	seen := img.Bounds().Add(at).Intersect(image.Rectangle{corner, corner.Add(image.Pt(side, side))})
	small := image.NewRGBA(image.Rect(0, 0, n, n))
	on := func(p image.Point, round int) image.Point {
		p = p.Sub(corner)
		return image.Pt((p.X*n+round)/side, (p.Y*n+round)/side)
	}
	if !seen.Empty() { // what is seen of it takes a pixel at least
		draw.CatmullRom.Scale(small, image.Rectangle{on(seen.Min, 0), on(seen.Max, side-1)}, img, seen.Sub(at), draw.Src, nil)
	}
	return small
}

// upright undoes an EXIF orientation (Exif 2.32, tag 0x0112).
func upright(img *image.RGBA, orientation int) *image.RGBA {
	n := img.Bounds().Dx()
	last := n - 1
	at := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return last - x, y },
		3: func(x, y int) (int, int) { return last - x, last - y },
		4: func(x, y int) (int, int) { return x, last - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, last - x },
		7: func(x, y int) (int, int) { return last - y, last - x },
		8: func(x, y int) (int, int) { return last - y, x },
	}[orientation]
	if at == nil {
		return img
	}
	turned := image.NewRGBA(img.Bounds())
	for y := range n {
		for x := range n {
			turned.SetRGBA(x, y, img.RGBAAt(at(x, y)))
		}
	}
	return turned
}

func encode(img *image.RGBA) ([]byte, string, error) {
	var out bytes.Buffer
	if !img.Opaque() {
		err := png.Encode(&out, img)
		return out.Bytes(), "png", err
	}
	err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 88})
	return out.Bytes(), "jpg", err
}
