"""Voilà with one page, whose goodbye is accepted, and without routes that end in an internal error."""

import tornado.web
from jupyter_server.auth.logout import LogoutHandler
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler


class OnePage(TornadoVoilaHandler):
    """The page at the root; the server has no other."""

    @tornado.web.authenticated
    async def get(self, path=None):
        """Answer with the page, and with the cookie that its goodbye must send back; Voilà's own page sets none."""
        if path:
            raise tornado.web.HTTPError(404)
        _ = self.xsrf_token  # tornado sets the cookie when this is read
        await super().get()


class TemplateFiles(TemplateStaticFileHandler):
    """The files of the templates; a path that names none of them is not found."""

    async def get(self, path, include_body=True):
        """Answer with a file. Voilà raises errors of several kinds for a path without template, folder or file."""
        try:
            await super().get(path, include_body)
        except (AssertionError, ValueError, OSError):
            raise tornado.web.HTTPError(404) from None


class OnePageVoila(Voila):
    """Voilà with these handlers, and without a logout, whose template needs settings of another server."""

    def init_handlers(self):
        """Return Voilà's routes with the handlers of this module."""
        ours = {TornadoVoilaHandler: OnePage, TemplateStaticFileHandler: TemplateFiles, LogoutHandler: None}
        routes = [(route, ours.get(handler, handler), *rest) for route, handler, *rest in super().init_handlers()]
        return [route for route in routes if route[1]]
