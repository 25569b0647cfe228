package legacy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/picture"
	"github.com/coagent-studio/coagent/store"
)

// avatarPath begins the address of every uploaded picture of the old system.
const avatarPath = "/static/avatars/"

// maxPicture is the largest file that is read, in bytes; the old system took 2 MiB.
const maxPicture = 8 << 20

// avatar is an uploaded picture of somebody.
type avatar struct{ user, file string }

// pictures is the folder of uploaded pictures. No name in it leads out of it.
type pictures struct{ root *os.Root }

// openPictures opens the folder static of the old system, or the folder avatars in it.
func openPictures(folder string) (*pictures, error) {
	if folder == "" {
		return nil, nil //nolint:nilnil // there is none
	}
	if inner := filepath.Join(folder, "avatars"); isFolder(inner) {
		folder = inner
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("open the folder of uploaded pictures: %w", err)
	}
	return &pictures{root}, nil
}

func isFolder(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func (f *pictures) close() error {
	if f == nil {
		return nil
	}
	return f.root.Close()
}

// read makes a picture of ours of a file.
func (f *pictures) read(name string) (image []byte, extension string, err error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, "", errors.New("its file is missing")
	}
	defer func() { _ = file.Close() }()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxPicture {
		return nil, "", errors.New("its file is no picture of at most 8 MiB")
	}
	data, err := io.ReadAll(io.LimitReader(file, maxPicture))
	if err != nil {
		return nil, "", errors.New("its file cannot be read")
	}
	image, extension, err = picture.Square(data)
	if err != nil {
		return nil, "", errors.New("its file is no picture")
	}
	return image, extension, nil
}

// picture decides about an account's picture. The address is a free text: a file is only
// looked for by a plain name, in one folder.
func (p *plan) picture(u *store.User, address string) {
	address = strings.TrimSpace(address)
	if address == "" {
		return
	}
	const of = "pictures"
	p.report.read(of)
	name, local := strings.CutPrefix(address, avatarPath)
	switch {
	case !local:
		if err := p.rules.AvatarURL(&address); err != nil {
			p.report.leave(of, u.ID, "its address is none: %v", app.Explain(err))
			return
		}
		u.AvatarURL = &address
	case name == "" || name != filepath.Base(name) || strings.ContainsAny(name, `/\`) || name == "." || name == "..":
		p.report.leave(of, u.ID, "its address is no plain name of a file")
		return
	case p.files == nil:
		p.report.leave(of, u.ID, "no folder of pictures was given, see --static")
		return
	default:
		if _, _, err := p.files.read(name); err != nil {
			p.report.leave(of, u.ID, "%s: %s", err.Error(), name)
			return
		}
		p.avatars = append(p.avatars, avatar{u.ID, name})
	}
	p.report.came(of)
}
