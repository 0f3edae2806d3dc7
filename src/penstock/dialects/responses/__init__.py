"""OpenAI's Responses API on the wire: request, response, stream and error bodies, and their translation."""
