package admin

import (
	"bufio"
	"io"

	"github.com/gofiber/fiber/v2"
)

// backup streams a backup: see package backup for its form. One that broke off
// has no end, and is refused by whoever reads it.
func (a api) backup(c *fiber.Ctx) error {
	stream := a.Backup()
	in := bufio.NewReader(stream)
	if _, err := in.Peek(1); err != nil { // nothing was sent: say why
		stream.Close()
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	return c.SendStream(struct {
		io.Reader
		io.Closer
	}{in, stream})
}
