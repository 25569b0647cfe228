// Package picture makes small pictures from uploads, square or whole. It decides by the content
// alone, never by a name or a declared type. Only the pixels of the upload get into the
// result: no metadata and no hidden bytes.
//
// It is a leaf: it imports nothing of ours and keeps no state. Its memory is bounded by
// [MaxPixels] and by the bytes that each kind of picture needs for a pixel, see
// maxBytes. Both are checked before anything is decoded.
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

// The bounds of an upload, and the side of the result in pixels.
const (
	MaxPixels = 50_000_000
	Side      = 256
	// maxBytes is how much memory the decoded pixels of one upload may take.
	maxBytes = 256 << 20
)

// The two possible faults of an upload.
var (
	ErrNoPicture = errors.New("neither PNG nor JPEG, GIF or WebP")
	ErrTooLarge  = errors.New("more pixels than are possible")
)

// format is one kind of picture, recognised by its first bytes.
type format struct {
	magic  string // ? stands for any byte
	config func(*bytes.Reader) (image.Config, error)
	decode func(*bytes.Reader) (image.Image, error)
}

// formats names the decoders here instead of registering them. A decoder that another
// package links into the program must not become accepted too.
func formats() []format {
	return []format{
		{"\x89PNG\r\n\x1a\n", func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }},
		{"\xff\xd8", func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }},
		{"GIF8?a", func(r *bytes.Reader) (image.Config, error) { return gif.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return gif.Decode(r) }}, // only the first picture of an animation
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

// Made is a picture that was made of an upload: a JPEG, or a PNG when a part of it is
// transparent.
type Made struct {
	Encoded       []byte
	Type          string // image/jpeg or image/png
	Width, Height int
}

// Is tells whether an upload that begins so may be a picture.
func Is(head []byte) bool {
	for _, f := range formats() {
		if f.fits(head) {
			return true
		}
	}
	return false
}

// Square decodes an upload, turns it upright, cuts out the square in its middle, and
// scales that down to at most Side pixels. The result is a JPEG, or a PNG when a part
// of it is transparent. extension is jpg or png. The error is ErrNoPicture or
// ErrTooLarge.
func Square(data []byte) (encoded []byte, extension string, err error) {
	d, err := decode(data)
	if err != nil {
		return nil, "", err
	}
	encoded, kind, err := encode(upright(scaled(d.img, d.at, d.canvas), orientation(data)))
	return encoded, map[string]string{typeJPEG: "jpg", typePNG: "png"}[kind], err
}

// Fit decodes an upload and turns it upright. It makes a picture of the whole for each of
// sides, which are in falling order: the longer side has at most so many pixels, and never
// more than the upload has. width and height are those of the upload. The error is as of
// Square.
func Fit(data []byte, sides ...int) (made []Made, width, height int, err error) {
	d, err := decode(data)
	if err != nil {
		return nil, 0, 0, err
	}
	width, height = d.canvas.X, d.canvas.Y
	var last *image.RGBA
	for _, side := range sides {
		if last == nil {
			last = upright(fitted(d.img, d.at, d.canvas, side), orientation(data))
			d.img = nil // its memory is needed no more
		} else {
			last = fitted(last, image.Point{}, last.Bounds().Size(), side)
		}
		m := Made{Width: last.Bounds().Dx(), Height: last.Bounds().Dy()}
		if m.Encoded, m.Type, err = encode(last); err != nil {
			return nil, 0, 0, err
		}
		made = append(made, m)
	}
	if orientation(data) >= firstLying {
		width, height = height, width
	}
	return made, width, height, nil
}

// decoded is an upload as pixels. The picture lies at the point at on the canvas.
type decoded struct {
	img        image.Image
	at, canvas image.Point
}

// decode decodes an upload whose pixels fit into the memory for them.
func decode(data []byte) (d decoded, err error) {
	for _, f := range formats() {
		if !f.fits(data) {
			continue
		}
		pixels := data
		switch {
		case bytes.HasPrefix(data, []byte("RIFF")):
			pixels, d.at, d.canvas = firstFrame(data)
		case bytes.HasPrefix(data, []byte("\xff\xd8")):
			// Some cameras and programs omit the end mark.
			pixels = append(bytes.Clone(data), 0xff, 0xd9)
		}
		cfg, err := f.config(bytes.NewReader(pixels))
		if err != nil || cfg.Width < 1 || cfg.Height < 1 {
			return d, ErrNoPicture
		}
		if cfg.Width > MaxPixels/cfg.Height || cfg.Width*cfg.Height*bytesOf(cfg.ColorModel, data) > maxBytes {
			return d, ErrTooLarge
		}
		if d.canvas == (image.Point{}) {
			d.canvas = image.Pt(cfg.Width, cfg.Height)
		}
		d.img, err = f.decode(bytes.NewReader(pixels))
		if err != nil || !d.img.Bounds().Add(d.at).In(image.Rectangle{Max: d.canvas}) || d.img.Bounds().Empty() {
			return d, ErrNoPicture
		}
		return d, nil
	}
	return d, ErrNoPicture
}

// bytesOf returns how many bytes a pixel needs while this kind of picture is decoded.
func bytesOf(m color.Model, data []byte) int {
	if _, is := m.(color.Palette); is { // palettes cannot be compared with ==
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
		wide *= 5 // the coefficients too, 4 bytes each
	}
	return wide
}

// scaled returns the square in the middle of a canvas, no larger than Side. The picture
// lies at the point at on the canvas. A frame of an animation may cover only a part of
// the canvas; the rest is transparent.
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
	if !seen.Empty() { // the visible part gets at least one pixel
		draw.CatmullRom.Scale(small, image.Rectangle{on(seen.Min, 0), on(seen.Max, side-1)}, img, seen.Sub(at), draw.Src, nil)
	}
	return small
}

// fitted returns the whole canvas, its longer side no longer than side.
func fitted(img image.Image, at, canvas image.Point, side int) *image.RGBA {
	size := canvas
	if longer := max(size.X, size.Y); longer > side {
		size = image.Pt(max(size.X*side/longer, 1), max(size.Y*side/longer, 1))
	}
	small := image.NewRGBA(image.Rectangle{Max: size})
	on := func(p image.Point, up image.Point) image.Point {
		return image.Pt((p.X*size.X+up.X)/canvas.X, (p.Y*size.Y+up.Y)/canvas.Y)
	}
	seen := img.Bounds().Add(at)
	draw.CatmullRom.Scale(small, image.Rectangle{on(seen.Min, image.Point{}), on(seen.Max, canvas.Sub(image.Pt(1, 1)))}, img, img.Bounds(), draw.Src, nil)
	return small
}

// firstLying is the first of the EXIF orientations of pictures that lie on a side.
const firstLying = 5

// upright undoes an EXIF orientation (Exif 2.32, tag 0x0112).
func upright(img *image.RGBA, orientation int) *image.RGBA {
	w, h := img.Bounds().Dx()-1, img.Bounds().Dy()-1
	at := map[int]func(x, y int) (int, int){
		2: func(x, y int) (int, int) { return w - x, y },
		3: func(x, y int) (int, int) { return w - x, h - y },
		4: func(x, y int) (int, int) { return x, h - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, h - x },
		7: func(x, y int) (int, int) { return w - y, h - x },
		8: func(x, y int) (int, int) { return w - y, x },
	}[orientation]
	if at == nil {
		return img
	}
	size := img.Bounds().Size()
	if orientation >= firstLying {
		size = image.Pt(size.Y, size.X)
	}
	turned := image.NewRGBA(image.Rectangle{Max: size})
	for y := range size.Y {
		for x := range size.X {
			turned.SetRGBA(x, y, img.RGBAAt(at(x, y)))
		}
	}
	return turned
}

// The types of what encode makes.
const (
	typeJPEG = "image/jpeg"
	typePNG  = "image/png"
)

func encode(img *image.RGBA) ([]byte, string, error) {
	var out bytes.Buffer
	if !img.Opaque() {
		err := png.Encode(&out, img)
		return out.Bytes(), typePNG, err
	}
	err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 88})
	return out.Bytes(), typeJPEG, err
}
