"""A Gradio app whose answer comes in two parts: the second when somebody writes to the fifo ``go``."""

import os
from collections.abc import Iterator

import gradio as gr

GO = os.path.join(os.environ["INSTANCE_CONF_DIR"], "go")


def echo(text: str) -> Iterator[str]:
    yield f"{text} is being heard"
    with open(GO) as fifo:
        fifo.read()
    yield f"{text} from Gradio"


os.mkfifo(GO, 0o600)
page = gr.Interface(echo, gr.Textbox(label="Say"), gr.Textbox(label="Heard"), flagging_mode="never", api_name="echo")
page.queue().launch(server_name="127.0.0.1", server_port=int(os.environ["WEBUI_PORT"]))
