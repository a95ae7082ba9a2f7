// The lecture's TCP server: one line from each client. It closes the connection after the
// reply, as the lecture's Python server does: a client that reads to the end needs that.
import java.io.*;
import java.net.*;

class TCPServer {
  public static void main(String[] argv) throws Exception {
    ServerSocket welcomeSocket = new ServerSocket(0);
    System.out.println("listening on 127.0.0.1:" + welcomeSocket.getLocalPort());
    while (true) {
      Socket connectionSocket = welcomeSocket.accept();
      BufferedReader inFromClient =
          new BufferedReader(new InputStreamReader(connectionSocket.getInputStream()));
      DataOutputStream outToClient =
          new DataOutputStream(connectionSocket.getOutputStream());
      String clientSentence = inFromClient.readLine();
      String capitalizedSentence = clientSentence.toUpperCase() + '\n';
      outToClient.writeBytes(capitalizedSentence);
      connectionSocket.close();
    }
  }
}
