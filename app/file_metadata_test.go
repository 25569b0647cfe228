package app_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ifdEntry is an entry of a directory of TIFF: a tag, a type, a count, and its data.
type ifdEntry struct {
	tag, kind uint16
	count     uint32
	data      []byte
}

// ifd is a directory at an offset, with the data of its entries behind it.
func ifd(at uint32, entries ...ifdEntry) []byte {
	head := binary.BigEndian.AppendUint16(nil, uint16(len(entries)))
	data, behind := []byte(nil), at+2+uint32(len(entries))*12+4
	for _, e := range entries {
		head = binary.BigEndian.AppendUint16(head, e.tag)
		head = binary.BigEndian.AppendUint16(head, e.kind)
		head = binary.BigEndian.AppendUint32(head, e.count)
		if len(e.data) <= 4 {
			head = append(head, append(bytes.Clone(e.data), make([]byte, 4-len(e.data))...)...)
			continue
		}
		head = binary.BigEndian.AppendUint32(head, behind+uint32(len(data)))
		data = append(data, e.data...)
	}
	return append(append(head, 0, 0, 0, 0), data...)
}

// phonePhoto is what a phone writes: a JPEG that lies on its side, red on the left and blue
// on the right, with EXIF (the camera, the place, the owner), XMP, IPTC and a comment.
func phonePhoto(t *testing.T, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, image.Rect(0, 0, w/2, h), image.NewUniform(color.RGBA{255, 0, 0, 255}), image.Point{}, draw.Src)
	draw.Draw(img, image.Rect(w/2, 0, w, h), image.NewUniform(color.RGBA{0, 0, 255, 255}), image.Point{}, draw.Src)
	var pixels bytes.Buffer
	must(t, jpeg.Encode(&pixels, img, &jpeg.Options{Quality: 95}))
	rational := func(n ...uint32) (b []byte) {
		for _, v := range n {
			b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, v), 1)
		}
		return b
	}
	const gpsAt = 200
	first := ifd(8, ifdEntry{0x010f, 2, 12, []byte("PhoneMaker\x00\x00")}, ifdEntry{0x0112, 3, 1, []byte{0, 6}},
		ifdEntry{0x013b, 2, 12, []byte("Sue Student\x00")}, ifdEntry{0x8825, 4, 1, binary.BigEndian.AppendUint32(nil, gpsAt)})
	tiff := append([]byte("MM\x00*\x00\x00\x00\x08"), first...)
	tiff = append(tiff, make([]byte, gpsAt-len(tiff))...)
	tiff = append(tiff, ifd(gpsAt, ifdEntry{1, 2, 2, []byte("N\x00")}, ifdEntry{2, 5, 3, rational(25, 2, 3)}, ifdEntry{3, 2, 2, []byte("E\x00")},
		ifdEntry{4, 5, 3, rational(121, 33, 54)}, ifdEntry{29, 2, 12, []byte("2026:11:30\x00\x00")})...)
	out := []byte{0xff, 0xd8}
	for _, s := range []struct {
		marker  byte
		content string
	}{{0xe1, "Exif\x00\x00" + string(tiff)}, {0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>Taipei</x:xmpmeta>"},
		{0xed, "Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x06Taipei"}, {0xfe, "taken at home in Taipei"}} {
		out = append(out, 0xff, s.marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(s.content)+2))
		out = append(out, s.content...)
	}
	return append(out, pixels.Bytes()[2:]...)
}

// Pictures that are made of a photo stand upright and have nothing of what a camera writes
// beside the pixels. The original is what was uploaded.
func TestPicturesHaveNoMetadata(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		original := phonePhoto(t, 800, 400)
		f, err := uploadTo(t.Context(), r, c.Student, c.Room.ID, "photo.jpg", bytes.NewReader(original))
		must(t, err)
		if f.Type != "image/jpeg" || f.Width != 400 || f.Height != 800 {
			t.Errorf("got %s of %d x %d", f.Type, f.Width, f.Height)
		}
		for kind, size := range map[string]image.Point{store.BlobImage: {400, 800}, store.BlobThumbnail: {160, 320}} {
			content, err := r.FileContent(t.Context(), c.Student, f.ID, kind)
			must(t, err)
			in, err := content.Open(t.Context(), 0, content.BlobSize)
			must(t, err)
			data, err := io.ReadAll(in)
			must(t, err)
			must(t, in.Close())
			for _, secret := range []string{"Exif", "PhoneMaker", "Sue Student", "2026:11:30", "xmp", "Taipei", "8BIM", "MM\x00*"} {
				if strings.Contains(string(data), secret) {
					t.Errorf("%s: has %q", kind, secret)
				}
			}
			for rest := data[2:]; len(rest) > 4 && rest[1] != 0xda; rest = rest[2+binary.BigEndian.Uint16(rest[2:]):] {
				if marker := rest[1]; marker > 0xe0 && marker <= 0xef || marker == 0xfe {
					t.Errorf("%s: has a segment %x", kind, marker)
				}
			}
			img, err := jpeg.Decode(bytes.NewReader(data))
			must(t, err)
			red, _, _, _ := img.At(size.X/2, 10).RGBA()
			_, _, blue, _ := img.At(size.X/2, size.Y-10).RGBA()
			if img.Bounds().Size() != size || red < 0xc000 || blue < 0xc000 {
				t.Errorf("%s: got %v, red %x above, blue %x below", kind, img.Bounds(), red, blue)
			}
		}
		if got := readFile(t, r, c.Student, f.ID); got != string(original) {
			t.Error("the original is not what was uploaded")
		}
	})
}
